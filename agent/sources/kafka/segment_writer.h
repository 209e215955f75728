// Writes the records of a partition as files in Kafka's own format.
//
// For deduplication, the same records must become the same files, whoever reads them and wherever
// reading starts: after retention, on another node, or on top of an earlier backup. Therefore the
// records themselves determine the borders. If the hash of a record's offset is below a threshold,
// the record is the last of its batch; below a smaller one, also of its file. Thresholds are
// proportional to the record's size, so batches have 64 KiB and files 64 MiB on average, whatever
// the record size. A record of 64 KiB always ends its batch. Other borders also depend only on the
// records. A batch ends where the timestamp type changes and, with log append time, where the
// timestamp changes. A file ends where offsets cross a multiple of 2^31, because relative offsets
// in a file have 31 bits.
//
// Only the limits that keep batches and files from growing without bound depend on where reading
// started: 1 MiB, which affects one batch in ten million, and 1 GiB, one file in ten million. Two
// readers that start at different offsets write the same batches after their first common border,
// and the same files after their first common file border. These are at the latest the first
// borders by the rules above, on average 64 KiB and 64 MiB after the later start.
//
// The end of the input ends its batch and file without a border. To append, feed the writer the
// records of the last file again, from a SegmentReader, and then the new records. The result is the
// same as if one writer had received all records, and no state has to be kept.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "agent/sources/kafka/record_batch.h"
#include "agent/sources/kafka/record_run.h"
#include "common/base/result.h"

namespace holdfast::kafka {

// Part of the format: other values produce other files. Tests use smaller ones.
struct Borders {
  unsigned batch_bits = 16;                            // average batch: 2^16 bytes
  unsigned file_bits = 26;                             // >= batch_bits
  std::size_t batch_bytes_max = std::size_t{1} << 20;  // except for a single record
  std::size_t file_bytes_max = std::size_t{1} << 30;   // except for a single batch

  bool EndsBatch(const Record& record) const;
  bool EndsFile(const Record& record) const;  // implies EndsBatch()
};

// The broker's name of a log file: "00000000000000000042.log". REQUIRES: first_offset >= 0.
std::string SegmentName(std::int64_t first_offset);
// The inverse of SegmentName(); nullopt for other names.
std::optional<std::int64_t> FirstOffsetOf(std::string_view name);

// Pulls records as needed. Holds one batch in memory.
class SegmentWriter {
 public:
  // Null at the end. The record must be valid until the next call.
  using NextRecord = std::function<Result<const Record*>()>;
  explicit SegmentWriter(NextRecord next, Borders borders = {});

  // Starts the next file and returns its first offset; nullopt if there are no more records. Errors
  // of this and of NextBatch(): those of NextRecord; kCorrupt if offsets are not ascending;
  // kUnsupported for a record that is too large for a batch. The writer is unusable after an error.
  // REQUIRES: NextBatch() returned the end of the previous file.
  Result<std::optional<std::int64_t>> NextFile();
  // Returns the file's next batch, valid until the next call; empty at the end of the file.
  // REQUIRES: NextFile() returned a file.
  Result<ByteView> NextBatch();
  // Summarises the file. REQUIRES: NextBatch() returned empty, and NextFile() was not called since.
  const RecordRun& run() const { return run_; }

 private:
  // Returns the next record without consuming it; null at the end.
  Result<const Record*> Peek();
  bool FitsFile(const Record& record) const;

  NextRecord next_;
  Borders borders_;
  BatchEncoder encoder_;
  RunTally tally_;
  RecordRun run_;
  const Record* record_ = nullptr;
  std::int64_t last_offset_ = -1;
  std::int64_t file_first_offset_ = 0;
  std::size_t file_bytes_ = 0;
  bool in_file_ = false;
  bool file_is_full_ = false;
  bool at_end_ = false;
};

}  // namespace holdfast::kafka
