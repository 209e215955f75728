// Reads the records of a stored partition and verifies them.
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
  // All references must outlive it.
  StoredRecords(SnapshotView& snapshot, std::string topic, std::int32_t partition,
                const PartitionDocument& document, const RestoreRequest& request);

  // Returns the next requested record, valid until the next call; null at the end. kCorrupt names
  // the file that does not match the partition's document; its records were already returned by
  // then. After an error it is unusable.
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
  std::string path_;  // of the current file
  std::unique_ptr<ByteReader> file_;
  std::optional<SegmentReader> reader_;
  RunTally tally_;
};

// Summarises records by their place instead of their offset, and regardless of the timestamp type,
// to compare written records with the stored ones.
class PlaceTally {
 public:
  // The first added record has this place.
  explicit PlaceTally(std::uint64_t place = 0) : place_(place) {}
  void Add(const Record& record, std::int64_t timestamp);
  std::uint64_t place() const { return place_; }
  RecordRun Finish() { return tally_.Finish(); }

 private:
  std::uint64_t place_;
  RunTally tally_;
};

}  // namespace holdfast::kafka
