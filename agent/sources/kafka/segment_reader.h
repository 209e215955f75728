// Reads a file of Kafka's own format, as SegmentWriter makes them, record by record.
#pragma once

#include <cstdint>
#include <optional>

#include "agent/sources/kafka/record_batch.h"
#include "common/base/raw_buffer.h"
#include "common/base/result.h"
#include "common/stream/item.h"

namespace holdfast::kafka {

// Holds one batch at a time, and of none more than was read of it, whatever its length says.
class SegmentReader {
 public:
  // `first_offset` is that of the file's name. `file` outlives the reader.
  SegmentReader(ByteReader& file, std::int64_t first_offset)
      : file_(file), first_offset_(first_offset) {}

  // The next record, null at the end of the file; valid until the next call. kCorrupt and
  // kUnsupported name the byte of the file; then, as after an error of the file's, the reader is
  // finished.
  Result<const Record*> Next();

 private:
  // False at the end of the file.
  Result<bool> NextBatch();
  // Until the batch has so many bytes, or the file ends.
  Result<void> ReadTo(std::size_t bytes);
  Result<void> CheckOffset(std::int64_t offset);

  ByteReader& file_;
  std::int64_t first_offset_;
  std::int64_t last_offset_ = -1;
  std::uint64_t batch_at_ = 0;
  RawBuffer batch_;
  std::optional<BatchDecoder> decoder_;
};

}  // namespace holdfast::kafka
