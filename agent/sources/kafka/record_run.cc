#include "agent/sources/kafka/record_run.h"

#if defined(__x86_64__)
#include <xxh_x86dispatch.h>  // same hashes, using the widest registers
#else
#include <xxhash.h>
#endif

#include <algorithm>
#include <utility>

namespace holdfast::kafka {
namespace {

std::int64_t SizeOrNull(const std::optional<ByteView>& bytes) {
  return bytes ? static_cast<std::int64_t>(bytes->size()) : -1;
}

std::uint8_t* PutBig(std::uint8_t* to, std::int64_t number) {
  for (int shift = 56; shift >= 0; shift -= 8) *to++ = static_cast<std::uint8_t>(number >> shift);
  return to;
}

RunDigest ToDigest(XXH128_hash_t hash) {
  XXH128_canonical_t canonical;
  XXH128_canonicalFromHash(&canonical, hash);
  RunDigest digest;
  static_assert(sizeof(canonical.digest) == sizeof(digest));
  std::ranges::copy(canonical.digest, digest.begin());
  return digest;
}

}  // namespace

void RecordRun::Append(const RecordRun& next) {
  if (next.records == 0) return;
  if (records == 0) {
    *this = next;
    return;
  }
  HF_CHECK(next.first_offset > last_offset);
  records += next.records;
  content_bytes += next.content_bytes;
  gaps += next.gaps + (next.first_offset > last_offset + 1 ? 1 : 0);
  last_offset = next.last_offset;
  min_timestamp = std::min(min_timestamp, next.min_timestamp);
  max_timestamp = std::max(max_timestamp, next.max_timestamp);
  std::array<std::uint8_t, 2 * sizeof(RunDigest)> both;
  std::ranges::copy(next.digest, std::ranges::copy(digest, both.begin()).out);
  digest = ToDigest(XXH3_128bits(both.data(), both.size()));
}

RunTally::RunTally() : state_(XXH3_createState()) {
  HF_CHECK(state_ != nullptr);
  XXH3_128bits_reset(state_.get());
}

void RunTally::Free::operator()(XXH3_state_s* state) const { XXH3_freeState(state); }

void RunTally::Add(const Record& record) {
  if (run_.records == 0) {
    run_.first_offset = record.offset;
    run_.min_timestamp = run_.max_timestamp = record.timestamp;
  } else {
    HF_CHECK(record.offset > run_.last_offset);
    if (record.offset > run_.last_offset + 1) ++run_.gaps;
    run_.min_timestamp = std::min(run_.min_timestamp, record.timestamp);
    run_.max_timestamp = std::max(run_.max_timestamp, record.timestamp);
  }
  ++run_.records;
  run_.content_bytes += record.content_bytes();
  run_.last_offset = record.offset;

  std::array<std::uint8_t, 17 + kVarintBytesMax> fields;
  std::uint8_t* to = PutBig(PutBig(fields.data(), record.offset), record.timestamp);
  *to++ = static_cast<std::uint8_t>(record.timestamp_type);
  Hash({fields.data(), PutVarint(to, SizeOrNull(record.key))});
  Hash(record.key.value_or(ByteView()));
  Hash({fields.data(), PutVarint(fields.data(), SizeOrNull(record.value))});
  Hash(record.value.value_or(ByteView()));
  Hash({fields.data(), PutVarint(fields.data(), static_cast<std::int64_t>(record.headers.size()))});
  Hash(record.headers.encoded());
}

void RunTally::Hash(ByteView bytes) {
  XXH3_128bits_update(state_.get(), bytes.data(), bytes.size());
}

RecordRun RunTally::Finish() {
  RecordRun run = std::exchange(run_, {});
  if (run.records > 0) run.digest = ToDigest(XXH3_128bits_digest(state_.get()));
  XXH3_128bits_reset(state_.get());
  return run;
}

}  // namespace holdfast::kafka
