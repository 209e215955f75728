// Kafka's record batch, version 2. Kafka's log files are sequences of batches. The format is
// defined by Kafka's protocol documentation and the comments of DefaultRecordBatch and
// DefaultRecord in its sources. Numbers are big-endian:
//
//    0  8  offset of the first record
//    8  4  number of bytes after this field
//   12  4  leader epoch
//   16  1  version, 2
//   17  4  CRC-32C of everything after this field
//   21  2  attributes: 3 bits compression, then one each: log append time, transactional, control
//          batch, delete horizon
//   23  4  offset of the last record, relative to the first
//   27  8  timestamp of the first record
//   35  8  highest timestamp; with log append time, the timestamp of all records
//   43  8  producer id, then its epoch (2) and sequence number (4)
//   57  4  number of records
//   61     records
//
// A record: length, attributes (1 byte, 0), timestamp and offset relative to the first record, key,
// value, number of headers, headers. A header: name, value. All numbers in records are varints
// (varint.h); null has length -1.
//
// Among the possible encodings we use exactly one: no compression, no producer (-1), leader epoch 0
// (followers of a restored partition accept no other), offset and timestamp of the first record as
// the base, and a single timestamp per batch with log append time. So the same records always have
// the same bytes, and decoding and re-encoding a batch does not change it.
#pragma once

#include <cstddef>
#include <cstdint>

#include "agent/sources/kafka/record.h"
#include "common/base/raw_buffer.h"
#include "common/base/result.h"

namespace holdfast::kafka {

constexpr std::size_t kBatchHeaderBytes = 61;
// A broker does not start with a larger file.
constexpr std::size_t kBatchBytesMax = 0x7fffffff;

class BatchEncoder {
 public:
  // Adds a record. Returns false and adds nothing if the record does not fit the batch: the
  // timestamp type differs, or the timestamp with log append time; the offset is not higher or is
  // too far away; or the batch would exceed `bytes_max`. Only the last reason applies to an empty
  // batch. REQUIRES: record.offset >= 0.
  bool Add(const Record& record, std::size_t bytes_max = kBatchBytesMax);
  bool empty() const { return records_ == 0; }
  // The size of the batch if it were finished now; 0 if empty.
  std::size_t bytes() const { return empty() ? 0 : buffer_.size(); }
  // The complete batch, valid until the next Add(), which starts a new one. REQUIRES: !empty().
  ByteView Finish();

  // The size of a batch that has only this record.
  static std::size_t BytesAlone(const Record& record);

 private:
  RawBuffer buffer_;
  std::uint32_t records_ = 0;
  TimestampType type_ = TimestampType::kCreateTime;
  std::int64_t base_offset_ = 0;
  std::int64_t last_offset_ = 0;
  std::int64_t base_timestamp_ = 0;
  std::int64_t max_timestamp_ = 0;
};

// A batch without records at this offset, as the log cleaner leaves it when all records of a batch
// are gone. It keeps the partition's end offset after it.
Bytes EmptyBatch(std::int64_t offset);

// Decodes the records of a batch as views into it. Rejects what BatchEncoder does not write, naming
// the byte: kUnsupported if Kafka could have written it, otherwise kCorrupt. Memory use does not
// depend on numbers in the batch.
class BatchDecoder {
 public:
  // Returns the size of the batch with this header; at least kBatchHeaderBytes. `at` is its
  // position in the file, for errors. REQUIRES: header.size() == kBatchHeaderBytes.
  static Result<std::size_t> BatchBytes(ByteView header, std::uint64_t at);
  // Verifies everything except the records. REQUIRES: batch.size() is that of BatchBytes().
  static Result<BatchDecoder> Open(ByteView batch, std::uint64_t at);

  // Returns the next record, valid until the next call; null at the end. After an error the decoder
  // is unusable. The last record is returned only if the whole batch is valid.
  Result<const Record*> Next();

 private:
  BatchDecoder() = default;
  std::unexpected<Error> Damaged(std::string_view what) const;
  Result<std::int64_t> Number(std::string_view of, std::int64_t min, std::int64_t max);
  Result<std::optional<ByteView>> Nullable(std::string_view of);
  Result<void> SkipHeaders(std::int64_t count);

  ByteView rest_;                 // unread records
  std::uint64_t records_at_ = 0;  // position of the first record in the file
  std::size_t records_bytes_ = 0;
  std::int64_t records_left_ = 0;
  std::int64_t next_delta_min_ = 0;
  std::int64_t last_delta_ = 0;
  std::int64_t base_offset_ = 0;
  std::int64_t base_timestamp_ = 0;
  std::int64_t max_timestamp_ = 0;
  std::int64_t max_seen_ = 0;
  Record record_;
};

}  // namespace holdfast::kafka
