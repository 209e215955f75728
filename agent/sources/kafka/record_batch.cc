#include "agent/sources/kafka/record_batch.h"

#include <algorithm>
#include <cstring>
#include <limits>

#include "agent/sources/kafka/crc32c.h"
#include "common/base/format.h"

namespace holdfast::kafka {
namespace {

constexpr std::size_t kBatchLengthAt = 8;
constexpr std::size_t kBytesBeforeLength = 12;  // up to and including the field
constexpr std::size_t kLeaderEpochAt = 12;
constexpr std::size_t kVersionAt = 16;
constexpr std::size_t kChecksumAt = 17;
constexpr std::size_t kAttributesAt = 21;
constexpr std::size_t kLastDeltaAt = 23;
constexpr std::size_t kBaseTimestampAt = 27;
constexpr std::size_t kMaxTimestampAt = 35;
constexpr std::size_t kProducerAt = 43;
constexpr std::size_t kProducerBytes = 14;
constexpr std::size_t kCountAt = 57;

constexpr std::uint8_t kVersion = 2;
constexpr std::uint16_t kLogAppendTimeFlag = 8;
constexpr std::uint8_t kNoProducer = 0xff;  // each byte of its id, epoch and sequence: -1
constexpr std::int64_t kInt32Max = std::numeric_limits<std::int32_t>::max();

template <typename T>
void StoreBig(std::uint8_t* to, T value) {
  for (std::size_t i = 0; i < sizeof(T); ++i)
    to[i] = static_cast<std::uint8_t>(value >> (8 * (sizeof(T) - 1 - i)));
}

template <typename T>
T LoadBig(ByteView bytes, std::size_t at) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < sizeof(T); ++i) value = value << 8 | bytes[at + i];
  return static_cast<T>(value);
}

// Timestamp arithmetic may overflow in Kafka, so it wraps around here.
std::int64_t TimestampDelta(std::int64_t timestamp, std::int64_t base) {
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(timestamp) -
                                   static_cast<std::uint64_t>(base));
}
std::int64_t TimestampAfter(std::int64_t base, std::int64_t delta) {
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(base) +
                                   static_cast<std::uint64_t>(delta));
}

std::size_t NullableBytes(const std::optional<ByteView>& bytes) {
  if (!bytes) return VarintBytes(-1);
  return VarintBytes(static_cast<std::int64_t>(bytes->size())) + bytes->size();
}

// libstdc++ copies these spans byte by byte.
std::uint8_t* PutBytes(std::uint8_t* to, ByteView bytes) {
  if (!bytes.empty()) std::memcpy(to, bytes.data(), bytes.size());
  return to + bytes.size();
}

std::uint8_t* PutNullable(std::uint8_t* to, const std::optional<ByteView>& bytes) {
  if (!bytes) return PutVarint(to, -1);
  to = PutVarint(to, static_cast<std::int64_t>(bytes->size()));
  return PutBytes(to, *bytes);
}

// Size of an encoded record without its length field.
std::size_t BodyBytes(const Record& record, std::int64_t timestamp_delta,
                      std::int64_t offset_delta) {
  return 1 + VarintBytes(timestamp_delta) + VarintBytes(offset_delta) + NullableBytes(record.key) +
         NullableBytes(record.value) +
         VarintBytes(static_cast<std::int64_t>(record.headers.size())) +
         record.headers.encoded().size();
}

std::size_t WithLength(std::size_t body) {
  return VarintBytes(static_cast<std::int64_t>(body)) + body;
}

struct HeaderFacts {
  bool is_log_append = false;
  std::int64_t base_offset = 0;
  std::int64_t last_offset = 0;
  std::int64_t base_timestamp = -1;
  std::int64_t max_timestamp = -1;
  std::uint32_t records = 0;
};

// Fills in the header of a batch whose records are already written.
void WriteHeader(std::span<std::uint8_t> batch, const HeaderFacts& facts) {
  std::uint8_t* const header = batch.data();
  StoreBig(header, facts.base_offset);
  StoreBig(header + kBatchLengthAt, static_cast<std::uint32_t>(batch.size() - kBytesBeforeLength));
  StoreBig(header + kLeaderEpochAt, std::uint32_t{0});
  header[kVersionAt] = kVersion;
  StoreBig(header + kAttributesAt, facts.is_log_append ? kLogAppendTimeFlag : std::uint16_t{0});
  StoreBig(header + kLastDeltaAt,
           static_cast<std::uint32_t>(facts.last_offset - facts.base_offset));
  StoreBig(header + kBaseTimestampAt, facts.base_timestamp);
  StoreBig(header + kMaxTimestampAt, facts.max_timestamp);
  std::fill_n(header + kProducerAt, kProducerBytes, kNoProducer);
  StoreBig(header + kCountAt, facts.records);
  StoreBig(header + kChecksumAt, Crc32c(ByteView(batch).subspan(kAttributesAt)));
}

std::unexpected<Error> BatchDamaged(std::uint64_t at, std::string_view what) {
  return Fail(ErrorCode::kCorrupt, fmt::format("the batch at byte {} is damaged: {}", at, what));
}

std::unexpected<Error> Foreign(std::uint64_t at, std::string_view what) {
  return Fail(ErrorCode::kUnsupported, fmt::format("the batch at byte {} {}", at, what),
              "only files of a backup can be read, not a broker's own");
}

Result<void> CheckAttributes(unsigned attributes, std::uint64_t at) {
  if ((attributes & 7) != 0) return Foreign(at, "is compressed");
  if ((attributes & 0x10) != 0) return Foreign(at, "belongs to a transaction");
  if ((attributes & 0x20) != 0) return Foreign(at, "holds control records");
  if ((attributes & ~unsigned{kLogAppendTimeFlag}) != 0)
    return Foreign(at, fmt::format("has the attributes {:#x}", attributes));
  return {};
}

}  // namespace

bool BatchEncoder::Add(const Record& record, std::size_t bytes_max) {
  const bool begins = empty();
  if (!begins && (record.timestamp_type != type_ || record.offset <= last_offset_ ||
                  record.offset - base_offset_ > kInt32Max ||
                  (type_ == TimestampType::kLogAppendTime && record.timestamp != max_timestamp_)))
    return false;
  const std::int64_t timestamp_delta =
      begins ? 0 : TimestampDelta(record.timestamp, base_timestamp_);
  const std::int64_t offset_delta = begins ? 0 : record.offset - base_offset_;
  const std::size_t body = BodyBytes(record, timestamp_delta, offset_delta);
  const std::size_t before = begins ? kBatchHeaderBytes : buffer_.size();
  if (before + WithLength(body) > std::min(bytes_max, kBatchBytesMax)) return false;

  if (begins) {
    buffer_.Clear();
    buffer_.Extend(kBatchHeaderBytes);
    type_ = record.timestamp_type;
    base_offset_ = record.offset;
    base_timestamp_ = record.timestamp;
    max_timestamp_ = record.timestamp;
  }
  std::uint8_t* to = buffer_.Extend(WithLength(body)).data();
  to = PutVarint(to, static_cast<std::int64_t>(body));
  *to++ = 0;  // attributes
  to = PutVarint(to, timestamp_delta);
  to = PutVarint(to, offset_delta);
  to = PutNullable(to, record.key);
  to = PutNullable(to, record.value);
  to = PutVarint(to, static_cast<std::int64_t>(record.headers.size()));
  PutBytes(to, record.headers.encoded());
  ++records_;
  last_offset_ = record.offset;
  max_timestamp_ = std::max(max_timestamp_, record.timestamp);
  return true;
}

ByteView BatchEncoder::Finish() {
  HF_CHECK(!empty());
  WriteHeader(buffer_.bytes(), {.is_log_append = type_ == TimestampType::kLogAppendTime,
                                .base_offset = base_offset_,
                                .last_offset = last_offset_,
                                .base_timestamp = base_timestamp_,
                                .max_timestamp = max_timestamp_,
                                .records = records_});
  records_ = 0;
  return buffer_.view();
}

Bytes EmptyBatch(std::int64_t offset) {
  Bytes batch(kBatchHeaderBytes);
  WriteHeader(batch, {.base_offset = offset, .last_offset = offset});
  return batch;
}

std::size_t BatchEncoder::BytesAlone(const Record& record) {
  return kBatchHeaderBytes + WithLength(BodyBytes(record, 0, 0));
}

Result<std::size_t> BatchDecoder::BatchBytes(ByteView header, std::uint64_t at) {
  // The fields for length and version have the same position in every version.
  if (header[kVersionAt] != kVersion)
    return Foreign(at, fmt::format("has version {} of the format", header[kVersionAt]));
  const auto length = LoadBig<std::int32_t>(header, kBatchLengthAt);
  const std::int64_t bytes = std::int64_t{length} + std::int64_t{kBytesBeforeLength};
  if (bytes < std::int64_t{kBatchHeaderBytes} || bytes > std::int64_t{kBatchBytesMax})
    return BatchDamaged(at, fmt::format("its length is {}", length));
  return static_cast<std::size_t>(bytes);
}

Result<BatchDecoder> BatchDecoder::Open(ByteView batch, std::uint64_t at) {
  HF_CHECK(batch.size() >= kBatchHeaderBytes);
  HF_ASSIGN(const std::size_t bytes, BatchBytes(batch.first(kBatchHeaderBytes), at));
  HF_CHECK(bytes == batch.size());
  if (LoadBig<std::uint32_t>(batch, kChecksumAt) != Crc32c(batch.subspan(kAttributesAt)))
    return BatchDamaged(at, "its checksum is wrong");
  const auto attributes = LoadBig<std::uint16_t>(batch, kAttributesAt);
  HF_TRY(CheckAttributes(attributes, at));
  if (const auto epoch = LoadBig<std::int32_t>(batch, kLeaderEpochAt); epoch != 0)
    return Foreign(at, fmt::format("is of the leader epoch {}", epoch));
  if (!std::ranges::all_of(batch.subspan(kProducerAt, kProducerBytes),
                           [](std::uint8_t byte) { return byte == kNoProducer; }))
    return Foreign(at, "names its producer");

  BatchDecoder decoder;
  decoder.rest_ = batch.subspan(kBatchHeaderBytes);
  decoder.records_at_ = at + kBatchHeaderBytes;
  decoder.records_bytes_ = decoder.rest_.size();
  decoder.records_left_ = LoadBig<std::int32_t>(batch, kCountAt);
  decoder.last_delta_ = LoadBig<std::int32_t>(batch, kLastDeltaAt);
  decoder.base_offset_ = LoadBig<std::int64_t>(batch, 0);
  decoder.base_timestamp_ = LoadBig<std::int64_t>(batch, kBaseTimestampAt);
  decoder.max_timestamp_ = LoadBig<std::int64_t>(batch, kMaxTimestampAt);
  decoder.max_seen_ = decoder.base_timestamp_;
  if (decoder.records_left_ < 1)
    return BatchDamaged(at, fmt::format("it has {} records", decoder.records_left_));
  if (decoder.last_delta_ < decoder.records_left_ - 1 || decoder.base_offset_ < 0 ||
      decoder.base_offset_ > std::numeric_limits<std::int64_t>::max() - decoder.last_delta_)
    return BatchDamaged(
        at, fmt::format("{} records do not fit between {} and {} offsets later",
                        decoder.records_left_, decoder.base_offset_, decoder.last_delta_));
  if ((attributes & kLogAppendTimeFlag) != 0) {
    if (decoder.base_timestamp_ != decoder.max_timestamp_)
      return Foreign(at, "has the producer's timestamps next to the broker's");
    decoder.record_.timestamp_type = TimestampType::kLogAppendTime;
  }
  return decoder;
}

std::unexpected<Error> BatchDecoder::Damaged(std::string_view what) const {
  return BatchDamaged(
      records_at_ - kBatchHeaderBytes,
      fmt::format("{}, at byte {}", what, records_at_ + records_bytes_ - rest_.size()));
}

Result<std::int64_t> BatchDecoder::Number(std::string_view of, std::int64_t min, std::int64_t max) {
  std::int64_t value = 0;
  switch (TakeVarint(rest_, value)) {
    case VarintRead::kTorn:
      return Damaged(fmt::format("it ends within a record's {}", of));
    case VarintRead::kTooLong:
      return Damaged(fmt::format("a record's {} is not a number", of));
    case VarintRead::kDone:
      break;
  }
  if (value < min || value > max) return Damaged(fmt::format("a record's {} is {}", of, value));
  return value;
}

Result<std::optional<ByteView>> BatchDecoder::Nullable(std::string_view of) {
  HF_ASSIGN(const std::int64_t size, Number(of, -1, kInt32Max));
  if (size < 0) return std::nullopt;
  if (static_cast<std::size_t>(size) > rest_.size())
    return Damaged(fmt::format("it ends within a record's {}", of));
  const ByteView bytes = rest_.first(static_cast<std::size_t>(size));
  rest_ = rest_.subspan(bytes.size());
  return bytes;
}

Result<void> BatchDecoder::SkipHeaders(std::int64_t count) {
  for (; count > 0; --count) {
    HF_ASSIGN(const std::optional<ByteView> name, Nullable("header's name"));
    if (!name) return Damaged("a record's header has no name");
    HF_TRY(Nullable("header's value"));
  }
  return {};
}

Result<const Record*> BatchDecoder::Next() {
  if (records_left_ == 0) return nullptr;
  const bool is_last = --records_left_ == 0;
  const bool is_first = next_delta_min_ == 0;
  HF_ASSIGN(const std::int64_t body, Number("length", 0, kInt32Max));
  if (static_cast<std::size_t>(body) > rest_.size()) return Damaged("it ends within a record");
  const std::size_t rest_after = rest_.size() - static_cast<std::size_t>(body);
  if (rest_.empty() || rest_[0] != 0) return Damaged("a record's attributes are not 0");
  rest_ = rest_.subspan(1);
  const bool has_one_time = is_first || record_.timestamp_type == TimestampType::kLogAppendTime;
  HF_ASSIGN(const std::int64_t timestamp_delta,
            Number("timestamp", has_one_time ? 0 : std::numeric_limits<std::int64_t>::min(),
                   has_one_time ? 0 : std::numeric_limits<std::int64_t>::max()));
  HF_ASSIGN(const std::int64_t offset_delta,
            Number("offset", is_last ? last_delta_ : next_delta_min_,
                   is_first ? 0 : last_delta_ - records_left_));
  HF_ASSIGN(record_.key, Nullable("key"));
  HF_ASSIGN(record_.value, Nullable("value"));
  HF_ASSIGN(const std::int64_t headers, Number("number of headers", 0, kInt32Max));
  const ByteView encoded = rest_;
  HF_TRY(SkipHeaders(headers));
  if (rest_.size() != rest_after) return Damaged("a record's length is not that of its fields");
  record_.headers =
      Headers(static_cast<std::size_t>(headers), encoded.first(encoded.size() - rest_after));
  record_.offset = base_offset_ + offset_delta;
  record_.timestamp = TimestampAfter(base_timestamp_, timestamp_delta);
  next_delta_min_ = offset_delta + 1;
  max_seen_ = std::max(max_seen_, record_.timestamp);
  if (is_last) {
    if (!rest_.empty()) return Damaged("bytes follow its last record");
    if (max_seen_ != max_timestamp_) return Damaged("its highest timestamp is wrong");
  }
  return &record_;
}

}  // namespace holdfast::kafka
