// Produces the items of one partition: files of the previous snapshot that are still valid, new
// files, and partition.json at the end. An error while reading records does not fail the backup:
// the document has the offset reached and the reason.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/sources/kafka/documents.h"
#include "agent/sources/kafka/partition_plan.h"
#include "agent/sources/kafka/record_fetcher.h"
#include "agent/sources/kafka/segment_reader.h"
#include "agent/sources/kafka/segment_writer.h"
#include "agent/sources/member/text_item.h"
#include "common/base/result.h"
#include "common/kafka/cluster.h"
#include "common/stream/item.h"
#include "common/stream/snapshot_view.h"

namespace holdfast::kafka {

// A partition to save, with everything that is prepared for several partitions at once.
struct PartitionWork {
  rdkafka::TopicPartition partition;
  PartitionFacts now;
  std::optional<PartitionDocument> previous;  // all its files exist
  PartitionPlan plan;
  // Records of Range() if they were fetched in advance; otherwise ignored.
  std::optional<RecordFetcher::Fetched> fetched;

  // The offsets to read from Kafka: new records, preceded by the last stored one if it must be
  // compared. Empty if there is nothing to read.
  RecordRange Range() const;
};

// Shared by the savers of a session. Everything must outlive the savers and their items.
struct SaverTools {
  RecordFetcher* fetcher = nullptr;
  RecordFetcher::OpenReader open_reader;  // for additional readers
  SnapshotView* previous = nullptr;       // may be null
  Attributes attributes;                  // of new files
  // The current offsets and leader epochs, for a partition that changes while it is read.
  std::function<Result<rdkafka::Bounds>(const rdkafka::TopicPartition&)> bounds;
  std::function<std::vector<EpochStart>(const rdkafka::TopicPartition&)> epochs;
  std::stop_token stop;
  Borders borders = {};
};

// Used by one thread at a time. The content of an item must be read before the next call.
class PartitionSaver {
 public:
  PartitionSaver(const SaverTools& tools, PartitionWork work);
  PartitionSaver(const PartitionSaver&) = delete;
  PartitionSaver& operator=(const PartitionSaver&) = delete;
  ~PartitionSaver();

  // nullopt at the end. Errors while reading from Kafka are recorded in the document and not
  // returned, except kCancelled.
  Result<std::optional<Item>> Next();
  // What was saved. REQUIRES: Next() returned nullopt.
  const PartitionDocument& document() const { return document_; }
  // The hint if the document is `incomplete`; may be empty.
  const std::string& remedy() const { return remedy_; }
  // Includes why the previous snapshot's files were not used.
  const std::vector<std::string>& warnings() const { return warnings_; }
  // Progress: the offsets up to the end of the last complete file, and the bytes of these files.
  struct Given {
    std::uint64_t offsets = 0;
    std::uint64_t bytes = 0;
  };
  Given given() const;
  // Records that the previous snapshot does not have.
  std::uint64_t records_read() const { return records_read_; }

 private:
  enum class Stage : std::uint8_t { kBegin, kTrim, kKeep, kGrow, kDocument, kEnd };
  class FileReader;

  Result<void> Begin();
  Result<void> Compare();
  void BeginWriter(std::size_t fed, bool is_feeding);
  Result<std::optional<Item>> NextWritten();
  Result<Item> NextKept();
  Result<std::optional<Item>> Unchanged();
  Item Document();
  void FileDone(const RecordRun& run, std::uint64_t bytes, ByteView last_batch);

  Result<const Record*> NextForWriter();
  Result<const Record*> NextFed();
  Result<void> OpenFed();
  Result<const Record*> NextOfKafka();
  Result<const Record*> NextOfStream();
  Result<bool> ContinueAfter(const Error& failure);
  void StopAt(std::int64_t offset, const Error& failure);
  void Give(const Record& record, std::int32_t leader_epoch);

  std::size_t old_count() const { return work_.previous ? work_.previous->files.size() : 0; }
  std::string PathOf(const SegmentFacts& file) const;

  const SaverTools& tools_;
  PartitionWork work_;
  PartitionDocument document_;
  std::string remedy_;
  std::vector<std::string> warnings_;
  std::uint64_t records_read_ = 0;
  std::uint64_t file_bytes_ = 0;  // of document_.files
  Stage stage_ = Stage::kBegin;
  std::size_t kept_ = 0;  // index of the next previous file to keep

  // The writer's input: stored files from `fed_` on, then new records from Kafka. If the last
  // record of a stored file is a border, the files after it are kept as they are.
  std::unique_ptr<SegmentWriter> writer_;
  bool is_feeding_ = false;
  std::size_t fed_ = 0;
  std::unique_ptr<ByteReader> fed_content_;
  std::unique_ptr<SegmentReader> fed_reader_;
  std::int64_t fed_to_ = 0;  // end offset of what was fed
  bool fed_to_border_ = false;

  bool is_streaming_ = false;  // the fetcher is reading this partition
  std::size_t buffered_ = 0;   // records of work_.fetched already returned
  Record buffered_record_;
  std::int64_t read_to_ = 0;      // everything below was read from Kafka
  std::int32_t last_epoch_ = -1;  // of the last record from Kafka
  bool is_read_ = false;          // reading has ended
};

// Reads a stored file from Kafka again, for a repository that has lost it. kCorrupt, at the end, if
// Kafka's records are no longer the stored ones.
Result<std::unique_ptr<ByteReader>> ReadAgain(const SaverTools& tools,
                                              const rdkafka::TopicPartition& partition,
                                              const SegmentFacts& file);

}  // namespace holdfast::kafka
