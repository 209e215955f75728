// Reads the records of a file that SegmentWriter wrote.
#pragma once

#include <cstdint>
#include <optional>

#include "agent/sources/kafka/record_batch.h"
#include "common/base/raw_buffer.h"
#include "common/base/result.h"
#include "common/stream/item.h"

namespace holdfast::kafka {

// Holds one batch in memory, and no more of it than was read, whatever its length field says.
class SegmentReader {
 public:
  // `first_offset` is from the file's name. `file` must outlive the reader.
  SegmentReader(ByteReader& file, std::int64_t first_offset)
      : file_(file), first_offset_(first_offset) {}

  // Returns the next record, valid until the next call; null at the end. kCorrupt and kUnsupported
  // name the byte. After any error the reader is unusable.
  Result<const Record*> Next();

 private:
  // Returns false at the end of the file.
  Result<bool> NextBatch();
  // Reads until the batch has this size or the file ends.
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
