// Writes stored records into topics that were made for them, and reads them back.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
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

// Where a partition's records are in the target, one behind the other.
struct WrittenPartition {
  std::int64_t begin = 0;
  std::uint64_t records = 0;
  std::uint64_t were_there = 0;  // of these, before
};
using WrittenPartitions = std::map<rdkafka::TopicPartition, WrittenPartition>;

// One restore; one thread, and as long as what is handed in.
class RecordRestore {
 public:
  struct Tools {
    SnapshotView* snapshot = nullptr;
    const RestoreRequest* request = nullptr;
    rdkafka::Client* client = nullptr;
    const Clock* clock = nullptr;
    Progress* progress = nullptr;
    // A record that no broker has taken for so long ends it.
    std::chrono::milliseconds delivery_limit = std::chrono::minutes(5);
  };
  RecordRestore(const Tools& tools, std::stop_token stop);
  ~RecordRestore();

  // All records of the topics, by their names in the target; in `committed`, by their stored names,
  // each offset learns its record's place. On success they are there, once each, and nothing else
  // is. kAlreadyExists where a topic that is resumed has something else: `spoilt()` names it.
  Result<WrittenPartitions> Run(const std::vector<TargetTopic>& topics,
                                std::map<rdkafka::TopicPartition, CommittedOffsets>& committed);
  const std::string& spoilt() const { return spoilt_; }

 private:
  // A partition whose records are under way.
  struct Load {
    std::uint64_t read_back = 0;
    std::uint64_t written = 0;
    std::uint64_t delivered = 0;
    std::optional<RecordRun> run;  // when all are written
  };

  Result<void> Topic(const TargetTopic& topic,
                     std::map<rdkafka::TopicPartition, CommittedOffsets>& committed);
  Result<void> Partition(const TargetTopic& topic, std::int32_t id, const rdkafka::Bounds& bounds,
                         CommittedOffsets* committed);
  // Passes over what is there already.
  Result<void> GoOn(const rdkafka::TopicPartition& partition, const rdkafka::Bounds& bounds,
                    StoredRecords& records, CommittedOffsets* committed, PlaceTally& tally);
  Result<void> Write(const rdkafka::TopicPartition& partition, const Record& record,
                     std::uint64_t load);
  Result<void> CheckHealth();
  void Delivered(const rdkafka::Delivery& delivery);
  void EndIfDelivered(std::uint64_t id);
  Result<void> CheckEnds();
  std::int64_t TimestampOf(const Record& record) const;
  std::unexpected<Error> Spoilt(const rdkafka::TopicPartition& partition, std::string_view what);

  const Tools tools_;
  const std::stop_token stop_;
  WrittenPartitions written_;
  std::string spoilt_;
  std::map<std::uint64_t, Load> loads_;
  std::uint64_t next_load_ = 0;
  std::optional<Error> failure_;  // of a delivery
  std::vector<rdkafka::NewRecord::Header> headers_;
  RecordFetcher fetcher_;
  std::optional<ReadBack> read_back_;
  std::unique_ptr<rdkafka::Writer> writer_;  // goes first: it tells of deliveries
};

// Records that cannot be written, because a client makes the present time of their timestamp.
struct ZeroTimestamps {
  std::uint64_t records = 0;
  std::int64_t first_offset = 0;
};
// Reads only the files that may have some.
Result<ZeroTimestamps> FindZeroTimestamps(SnapshotView& snapshot, const std::string& topic,
                                          std::int32_t partition, const RestoreRequest& request);

}  // namespace holdfast::kafka
