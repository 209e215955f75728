// Reads a snapshot's documents, but no records.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "agent/sources/kafka/documents.h"
#include "agent/sources/kafka/restore_request.h"
#include "common/base/result.h"
#include "common/stream/snapshot_view.h"

namespace holdfast::kafka {

struct StoredPartition {
  bool is_there = false;   // false: the snapshot does not have it
  std::string incomplete;  // why the end is missing; empty: it is not
  // Sums over the requested files. If only some records of a file are requested, all of them count.
  std::uint64_t records = 0;
  std::uint64_t content_bytes = 0;
  std::uint64_t file_bytes = 0;
  std::int64_t min_timestamp = 0;
  std::int64_t max_timestamp = 0;
};

struct StoredTopic {
  TopicDocument document;
  std::string target;                       // name in the target
  std::vector<StoredPartition> partitions;  // indexed by id

  const std::string& name() const { return document.name; }
  std::uint64_t records() const;
  std::uint64_t content_bytes() const;
};

// Each reads a document; errors name its path. nullopt: the snapshot does not have it.
Result<std::optional<PartitionDocument>> ReadStoredPartition(SnapshotView& snapshot,
                                                             const std::string& topic,
                                                             std::int32_t partition);
Result<std::optional<ClusterDocument>> ReadStoredCluster(SnapshotView& snapshot);
Result<std::vector<rdkafka::AclBinding>> ReadStoredAcls(SnapshotView& snapshot);
Result<std::vector<ScramUserFacts>> ReadStoredUsers(SnapshotView& snapshot);
Result<void> ForEachStoredGroup(SnapshotView& snapshot,
                                const std::function<Result<void>(const GroupDocument&)>& visit);

// Returns the requested topics in the order of restoring: names that begin with '_' first, because
// others depend on them. Skips topics that were created during the backup, of which the backup
// warned. kNotFound if a pattern or a name has no match, or names a skipped topic; kInvalidArgument
// if two topics would get the same name.
Result<std::vector<StoredTopic>> ReadStoredTopics(SnapshotView& snapshot,
                                                  const RestoreRequest& request);

// What is missing of the partition in the snapshot, for messages; nullopt: nothing.
std::optional<std::string> HoleIn(const StoredTopic& topic, std::int32_t partition);
// The error of a restore from a snapshot with these holes, which ends partly done.
Error HolesError(const std::vector<std::string>& holes);

// Whether a file may have requested records.
bool IsWanted(const RecordRun& run, const RestoreRequest& request);

}  // namespace holdfast::kafka
