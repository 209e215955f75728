// Gives the items of one partition: what the previous snapshot has of it and is still there, what
// is new, and partition.json last. What goes wrong with its records does not end the backup: the
// document says how far they were read, and why no further.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/sources/kafka/documents.h"
#include "agent/sources/kafka/partition_plan.h"
#include "agent/sources/kafka/record_fetcher.h"
#include "agent/sources/kafka/segment_reader.h"
#include "agent/sources/kafka/segment_writer.h"
#include "agent/sources/text_item.h"
#include "common/base/result.h"
#include "common/kafka/cluster.h"
#include "common/stream/item.h"
#include "common/stream/snapshot_view.h"

namespace holdfast::kafka {

// A partition that is to be saved, as far as it could be prepared beside others.
struct PartitionWork {
  rdkafka::TopicPartition partition;
  PartitionFacts now;
  std::optional<PartitionDocument> previous;  // whose files are all there
  PartitionPlan plan;
  // Range() of the plan, when that was small; not looked at otherwise.
  std::optional<RecordFetcher::Fetched> fetched;

  // The records that are wanted from Kafka: new ones, and the last stored one where it has to be
  // compared. Empty where there is nothing to be asked.
  RecordRange Range() const;
};

// What the savers of a session have in common. All of it outlives them, and the items.
struct SaverTools {
  RecordFetcher* fetcher = nullptr;
  RecordFetcher::OpenReader open_reader;  // of readers beside the fetcher's
  SnapshotView* previous = nullptr;       // null without one
  Attributes attributes;                  // of files that are made
  // Offsets and leader epochs as they are now, for a partition that changes while it is read.
  std::function<Result<rdkafka::Bounds>(const rdkafka::TopicPartition&)> bounds;
  std::function<std::vector<EpochStart>(const rdkafka::TopicPartition&)> epochs;
  std::stop_token stop;
  Borders borders = {};
};

// One thread at a time. What an item's reader gives is read before the next call.
class PartitionSaver {
 public:
  PartitionSaver(const SaverTools& tools, PartitionWork work);
  PartitionSaver(const PartitionSaver&) = delete;
  PartitionSaver& operator=(const PartitionSaver&) = delete;
  ~PartitionSaver();

  // nullopt: no more. Errors: kCancelled, and kInternal where our own part is wrong.
  Result<std::optional<Item>> Next();
  // What was found. REQUIRES: Next() has returned nullopt.
  const PartitionDocument& document() const { return document_; }
  // What to do where the document is `incomplete`; empty where nothing is known that helps.
  const std::string& remedy() const { return remedy_; }
  // Why the previous snapshot's files were not used, and what else the operator may want to know.
  const std::vector<std::string>& warnings() const { return warnings_; }
  // How much of the partition was given so far: offsets from its first to the last whole file's
  // end, and the bytes of these files.
  struct Given {
    std::uint64_t offsets = 0;
    std::uint64_t bytes = 0;
  };
  Given given() const;
  // Records that were not there in the previous snapshot.
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
  Result<bool> GoOnBehind(const Error& failure);
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
  std::size_t kept_ = 0;  // the next of the previous files to be kept as it is

  // What the writer is given: stored files from `fed_` on, and what Kafka has behind them. Where a
  // stored file's last record ends its file, the ones behind it stay as they are.
  std::unique_ptr<SegmentWriter> writer_;
  bool is_feeding_ = false;
  std::size_t fed_ = 0;
  std::unique_ptr<ByteReader> fed_content_;
  std::unique_ptr<SegmentReader> fed_reader_;
  std::int64_t fed_to_ = 0;  // behind the last record that was fed
  bool fed_to_border_ = false;

  bool is_streaming_ = false;  // the fetcher reads for this partition
  std::size_t buffered_ = 0;   // of work_.fetched, given already
  Record buffered_record_;
  std::int64_t read_to_ = 0;      // of Kafka, everything below
  std::int32_t last_epoch_ = -1;  // of the last record of Kafka
  bool is_read_ = false;          // to the end, or as far as it goes
};

// Reads a stored file of a partition from Kafka once more, for a repository that has lost it.
// kCorrupt at its end when what came is not what was stored.
Result<std::unique_ptr<ByteReader>> ReadAgain(const SaverTools& tools,
                                              const rdkafka::TopicPartition& partition,
                                              const SegmentFacts& file);

}  // namespace holdfast::kafka
