// Turns the records of a partition into files of Kafka's own format.
//
// A backup stores only what it has not, so the same records have to become the same files whoever
// reads them, and wherever he begins: after a retention, on another node, over what an earlier
// backup has. Borders therefore lie where the record itself says so: when a hash of its offset is
// low enough, it is the last one of its batch, and when it is lower still, of its file. How low is
// in proportion to the record's size, so that batches have 64 KiB on average and files 64 MiB,
// whatever records have; one of 64 KiB always ends its batch. Other borders that depend on nothing
// but the records: a batch ends where the timestamps' type changes and, where they are the
// broker's, the timestamp; a file ends where offsets pass a multiple of 2^31, as a file's have to
// fit 31 bits.
//
// All that depends on where reading began is what keeps batches and files from growing without end
// where no such border comes: 1 MiB, which one batch in ten million meets, and 1 GiB, one file in
// ten million. Two readers that began at different offsets make the same batches from the first
// border that they have in common on, and the same files from the first such file; that is at the
// latest the first border by the rules above, on average 64 KiB and 64 MiB behind the later start.
//
// What was read last ends its batch and its file without a border. Whoever goes on gives the writer
// the records of that file once more, out of a SegmentReader, and then the new ones: what comes out
// is what one reader would have made of all of them, and nothing has to be remembered.
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

// Part of the format: with others the same records become other files. Tests have smaller ones.
struct Borders {
  unsigned batch_bits = 16;                            // the average batch has 2^16 bytes
  unsigned file_bits = 26;                             // >= batch_bits
  std::size_t batch_bytes_max = std::size_t{1} << 20;  // but for a single record
  std::size_t file_bytes_max = std::size_t{1} << 30;   // but for a single batch

  bool EndsBatch(const Record& record) const;
  bool EndsFile(const Record& record) const;  // then it ends its batch, too
};

// As a broker names a log file: "00000000000000000042.log". REQUIRES: first_offset >= 0.
std::string SegmentName(std::int64_t first_offset);
// nullopt unless `name` is what SegmentName() makes.
std::optional<std::int64_t> FirstOffsetOf(std::string_view name);

// Asks for the next record when it needs one. Holds one batch, whatever the partition has.
class SegmentWriter {
 public:
  // Null: there are no more. The record is valid until the next call.
  using NextRecord = std::function<Result<const Record*>()>;
  explicit SegmentWriter(NextRecord next, Borders borders = {});

  // Begins the next file and gives its first offset; nullopt: there are no more records. Errors of
  // this and NextBatch(): those of NextRecord, kCorrupt where offsets do not rise, kUnsupported for
  // a record that no batch can hold; the writer is finished then. REQUIRES: the file before was
  // taken to its end.
  Result<std::optional<std::int64_t>> NextFile();
  // The file's next bytes, one batch, valid until another one is given; empty at its end.
  // REQUIRES: NextFile() gave a file.
  Result<ByteView> NextBatch();
  // What the file holds. REQUIRES: NextBatch() was empty, NextFile() not called since.
  const RecordRun& run() const { return run_; }

 private:
  // The record that is next, which may have been asked for already; null at the end.
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
