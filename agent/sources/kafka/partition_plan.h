// Plans what to read of a partition, given its previous snapshot. backup.h says which partitions a
// node saves.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "agent/sources/kafka/documents.h"

namespace holdfast::kafka {

// The current state of a partition.
struct PartitionFacts {
  std::string topic_id;  // empty: unknown
  std::int32_t leader = -1;
  std::int64_t low = 0;
  std::int64_t last_stable = 0;
  std::int64_t high = 0;
  std::vector<EpochStart> epochs;  // empty: unknown
  bool compacted = false;
};

struct PartitionPlan {
  // Why the previous files cannot be used; empty if they can, if there are no files, or if
  // compacted.
  std::string reread_reason;
  // The first file of the previous snapshot with records that still exist. With `trims`, it begins
  // below the partition's low offset and loses the records below it.
  std::size_t keep = 0;
  bool has_kept = false;
  bool trims = false;
  // Where to start reading from Kafka, up to the last stable offset.
  std::int64_t read_from = 0;
  bool grows = false;  // there may be new records
  // Topic id and epochs cannot prove that the partition still has the stored records, so the last
  // stored record must be read and compared.
  bool must_compare = false;
  std::optional<LostRange> lost;
};

// `previous` may be null. Offsets alone do not show that a topic was recreated, or that a replica
// without the newest records became the leader. Topic ids and leader epochs do, or else the last
// stored record. A compacted topic may lose any record, so it is read from the start.
PartitionPlan PlanPartition(const PartitionDocument* previous, const PartitionFacts& now);

// Plans to read everything, e.g. because the last stored record is not the one in Kafka.
PartitionPlan Replan(const PartitionFacts& now, std::string why);

// The leader epoch of `offset`; nullopt if unknown.
std::optional<std::int32_t> EpochAt(const std::vector<EpochStart>& epochs, std::int64_t offset);

}  // namespace holdfast::kafka
