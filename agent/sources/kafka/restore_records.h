// Writes stored records into the target's topics and reads them back.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "agent/sources/kafka/committed_offsets.h"
#include "agent/sources/kafka/read_back.h"
#include "agent/sources/kafka/restore_request.h"
#include "agent/sources/kafka/stored_records.h"
#include "agent/sources/kafka/target_topics.h"
#include "common/base/clock.h"
#include "common/base/result.h"
#include "common/kafka/client.h"
#include "common/kafka/writer.h"
#include "common/stream/progress.h"
#include "common/stream/snapshot_view.h"

namespace holdfast::kafka {

// The records of a partition in the target; their offsets are contiguous.
struct WrittenPartition {
  std::int64_t begin = 0;
  std::uint64_t records = 0;
  std::uint64_t were_there = 0;  // records that already existed
};
using WrittenPartitions = std::map<rdkafka::TopicPartition, WrittenPartition>;

// One restore. Used by one thread. Everything in `tools` must outlive it.
class RecordRestore {
 public:
  struct Tools {
    SnapshotView* snapshot = nullptr;
    const RestoreRequest* request = nullptr;
    rdkafka::Client* client = nullptr;
    const Clock* clock = nullptr;
    Progress* progress = nullptr;
    // The restore fails if no broker accepts a record for this long.
    std::chrono::milliseconds delivery_limit = std::chrono::minutes(5);
  };
  RecordRestore(const Tools& tools, std::stop_token stop);
  ~RecordRestore();

  // Writes all records of the topics. Returns the result by the topic's name in the target. Sets
  // the places in `committed`, which is by the name in the snapshot. On success each record exists
  // once and nothing else does. kAlreadyExists if a resumed topic has other content: see
  // modified().
  Result<WrittenPartitions> Run(const std::vector<TargetTopic>& topics,
                                std::map<rdkafka::TopicPartition, CommittedOffsets>& committed);
  const std::string& modified() const { return modified_; }

 private:
  // A partition that is being written.
  struct Load {
    std::uint64_t read_back = 0;
    std::uint64_t written = 0;
    std::uint64_t delivered = 0;
    std::optional<RecordRun> run;  // set when all records are written
  };

  Result<void> Topic(const TargetTopic& topic,
                     std::map<rdkafka::TopicPartition, CommittedOffsets>& committed);
  Result<void> Partition(const TargetTopic& topic, std::int32_t id, const rdkafka::Bounds& bounds,
                         CommittedOffsets* committed);
  // Skips the records that already exist, after verifying them.
  Result<void> GoOn(const rdkafka::TopicPartition& partition, const rdkafka::Bounds& bounds,
                    StoredRecords& records, CommittedOffsets* committed, PlaceTally& tally);
  Result<void> Write(const rdkafka::TopicPartition& partition, const Record& record,
                     std::uint64_t load);
  Result<void> CheckHealth();
  void Delivered(const rdkafka::Delivery& delivery);
  void EndIfDelivered(std::uint64_t id);
  Result<void> CheckEnds();
  std::int64_t TimestampOf(const Record& record) const;
  std::unexpected<Error> Modified(const rdkafka::TopicPartition& partition, std::string_view what);

  const Tools tools_;
  const std::stop_token stop_;
  WrittenPartitions written_;
  std::string modified_;
  std::map<std::uint64_t, Load> loads_;
  std::uint64_t next_load_ = 0;
  std::optional<Error> failure_;  // the first failed delivery
  std::vector<rdkafka::NewRecord::Header> headers_;
  RecordFetcher fetcher_;
  std::optional<ReadBack> read_back_;
  std::unique_ptr<rdkafka::Writer> writer_;  // destroyed first: it reports deliveries
};

// Records with timestamp 0 cannot be written: clients replace it with the current time.
struct ZeroTimestamps {
  std::uint64_t records = 0;
  std::int64_t first_offset = 0;
};
// Reads only files that may have such records.
Result<ZeroTimestamps> FindZeroTimestamps(SnapshotView& snapshot, const std::string& topic,
                                          std::int32_t partition, const RestoreRequest& request);

}  // namespace holdfast::kafka
