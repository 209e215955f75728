#include "agent/sources/kafka/record_run.h"

#include <algorithm>
#include <cstring>
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
  crypto::Sha256 both;
  both.Update(digest);
  both.Update(next.digest);
  digest = both.Finish();
}

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
  if (bytes.size() > small_.size() - small_bytes_) {
    sha256_.Update(ByteView(small_).first(std::exchange(small_bytes_, 0)));
  }
  if (bytes.size() > small_.size()) {
    sha256_.Update(bytes);
  } else if (!bytes.empty()) {
    std::memcpy(small_.data() + small_bytes_, bytes.data(), bytes.size());
    small_bytes_ += bytes.size();
  }
}

RecordRun RunTally::Finish() {
  RecordRun run = std::exchange(run_, {});
  sha256_.Update(ByteView(small_).first(std::exchange(small_bytes_, 0)));
  const crypto::Digest digest = sha256_.Finish();
  if (run.records > 0) run.digest = digest;
  return run;
}

}  // namespace holdfast::kafka
