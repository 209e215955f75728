// The records of a stored partition, one after the other, verified as they are read.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "agent/sources/kafka/documents.h"
#include "agent/sources/kafka/record_run.h"
#include "agent/sources/kafka/restore_request.h"
#include "agent/sources/kafka/segment_reader.h"
#include "common/base/result.h"
#include "common/stream/snapshot_view.h"

namespace holdfast::kafka {

class StoredRecords {
 public:
  // All that is referred to outlives it.
  StoredRecords(SnapshotView& snapshot, std::string topic, std::int32_t partition,
                const PartitionDocument& document, const RestoreRequest& request);

  // The next record that is asked for, null when there are no more; valid until the next call.
  // kCorrupt names the file that is not what the partition's document says: its records were given
  // by then. After an error it is finished.
  Result<const Record*> Next();

 private:
  Result<bool> NextFile();
  Result<const Record*> NextInFile();

  SnapshotView& snapshot_;
  const std::string topic_;
  const std::int32_t partition_;
  const PartitionDocument& document_;
  const RestoreRequest& request_;
  std::size_t next_file_ = 0;
  std::string path_;  // of the file that is read
  std::unique_ptr<ByteReader> file_;
  std::optional<SegmentReader> reader_;
  RunTally tally_;
};

// A run of records told by their place, not by their offset, and by whoever set their times: to
// compare what was written with what was to be.
class PlaceTally {
 public:
  // Of the records that follow `place` others.
  explicit PlaceTally(std::uint64_t place = 0) : place_(place) {}
  void Add(const Record& record, std::int64_t timestamp);
  std::uint64_t place() const { return place_; }
  RecordRun Finish() { return tally_.Finish(); }

 private:
  std::uint64_t place_;
  RunTally tally_;
};

}  // namespace holdfast::kafka
