// Kafka's record batch, version 2: what its log files consist of, one after the other. As Kafka's
// protocol documentation and the comments of DefaultRecordBatch and DefaultRecord in its sources
// have it, numbers with the highest byte first:
//
//    0  8  offset of the first record
//    8  4  bytes that follow this field
//   12  4  leader epoch
//   16  1  version, 2
//   17  4  CRC-32C of all that follows
//   21  2  attributes: 3 bits compression, then one each: broker's time, transaction, control
//          batch, delete horizon
//   23  4  last record's offset, less the first one's
//   27  8  first record's timestamp
//   35  8  highest timestamp; with the broker's time that of all records
//   43  8  producer, its epoch (2), its sequence number (4)
//   57  4  number of records
//   61     records
//
// A record: bytes that follow, attributes (1 byte, none), timestamp and offset less the first
// one's, key, value, number of headers, headers; a header: name, value. Its numbers are varints
// (varint.h), null has the size -1.
//
// Of what can be written so there is one form here: no compression, no producer (-1), leader epoch
// 0 (followers of a restored partition take no other), the first record's own offset and timestamp
// as the base, one timestamp per batch where it is the broker's. So the same records are always the
// same bytes, and a batch that is decoded and encoded again comes out as it was.
#pragma once

#include <cstddef>
#include <cstdint>

#include "agent/sources/kafka/record.h"
#include "common/base/raw_buffer.h"
#include "common/base/result.h"

namespace holdfast::kafka {

constexpr std::size_t kBatchHeaderBytes = 61;
// A broker does not start on a larger file.
constexpr std::size_t kBatchBytesMax = 0x7fffffff;

class BatchEncoder {
 public:
  // False, and nothing is added, when the record cannot lie in one batch with those before it: the
  // type of its timestamp is another, or the timestamp itself where that is the broker's; its
  // offset is too far away, or not higher; the batch would have more than `bytes_max`. An empty
  // batch takes every record of which the last does not hold. REQUIRES: record.offset >= 0.
  bool Add(const Record& record, std::size_t bytes_max = kBatchBytesMax);
  bool empty() const { return records_ == 0; }
  // Of the batch, were it finished now; 0 while it is empty.
  std::size_t bytes() const { return empty() ? 0 : buffer_.size(); }
  // The whole batch, valid until the next Add(), which begins another one. REQUIRES: not empty.
  ByteView Finish();

  // What a batch of this record alone has.
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

// A batch that has this offset and no record, as the log cleaner leaves it where all of a batch's
// records have gone: a partition's end stays behind it.
Bytes EmptyBatch(std::int64_t offset);

// Gives the records of a batch, as views into it. Whatever is not what BatchEncoder writes is an
// error that names the byte: kUnsupported where Kafka writes such, otherwise kCorrupt. Memory does
// not depend on what the batch says.
class BatchDecoder {
 public:
  // How many bytes the batch has that begins so; at least kBatchHeaderBytes. `at` is where it lies
  // in its file, for errors. REQUIRES: header.size() == kBatchHeaderBytes.
  static Result<std::size_t> BatchBytes(ByteView header, std::uint64_t at);
  // Verifies all but the records. REQUIRES: the batch is as long as BatchBytes() says.
  static Result<BatchDecoder> Open(ByteView batch, std::uint64_t at);

  // The next record, null when there are no more; valid until the next call. After an error the
  // decoder is finished. The last record is given only when the whole batch is right.
  Result<const Record*> Next();

 private:
  BatchDecoder() = default;
  std::unexpected<Error> Damaged(std::string_view what) const;
  Result<std::int64_t> Number(std::string_view of, std::int64_t min, std::int64_t max);
  Result<std::optional<ByteView>> Nullable(std::string_view of);
  Result<void> SkipHeaders(std::int64_t count);

  ByteView rest_;                 // of the records
  std::uint64_t records_at_ = 0;  // where the file's byte lies that rest_ began with
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
