// What has to be read of a partition, given what the previous snapshot has of it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "agent/sources/kafka/documents.h"

namespace holdfast::kafka {

// A partition as it is now.
struct PartitionFacts {
  std::string topic_id;  // empty: not known
  std::int32_t leader = -1;
  std::int64_t low = 0;
  std::int64_t last_stable = 0;
  std::int64_t high = 0;
  std::vector<EpochStart> epochs;  // empty: not known
  bool compacted = false;
};

struct PartitionPlan {
  // Why the previous snapshot's files say nothing of the partition as it is; empty: they do, or
  // there are none.
  std::string anew;
  // Of the previous snapshot's files those from `keep` on have records that are still there. The
  // first of them begins below the partition's low offset if `trims`, and loses what is.
  std::size_t keep = 0;
  bool has_kept = false;
  bool trims = false;
  // Records from here on, below the partition's last stable offset, are not in those files.
  std::int64_t read_from = 0;
  bool grows = false;  // there may be any
  // Nothing else says that the partition still has the records that are stored: it has to be seen
  // that its last stored one is where it was.
  bool must_compare = false;
  std::optional<LostRange> lost;
};

// `previous` may be null. Offsets alone do not show that a partition was made again, or that a
// replica which lacked the newest records became its leader: topic ids and leader epochs do, and
// where they are not known, the last stored record. In compacted topics any record may be gone, so
// that all are read again.
PartitionPlan PlanPartition(const PartitionDocument* previous, const PartitionFacts& now);

// The plan where nothing is taken from the previous snapshot.
PartitionPlan PlanAnew(const PartitionFacts& now, std::string why);

// The leader epoch of the record at `offset`, nullopt where it is not known.
std::optional<std::int32_t> EpochAt(const std::vector<EpochStart>& epochs, std::int64_t offset);

}  // namespace holdfast::kafka
