// What a snapshot has of a cluster, read part by part: of its records only what the documents say.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "agent/sources/kafka/documents.h"
#include "agent/sources/kafka/restore_request.h"
#include "common/base/result.h"
#include "common/stream/snapshot_view.h"

namespace holdfast::kafka {

struct StoredPartition {
  bool is_there = false;   // else the snapshot has nothing of it
  std::string incomplete;  // why its end was not saved; empty: it was
  // Of the records that are asked for. Where only part of a file's are, all of them count.
  std::uint64_t records = 0;
  std::uint64_t content_bytes = 0;
  std::uint64_t file_bytes = 0;
  std::int64_t min_timestamp = 0;
  std::int64_t max_timestamp = 0;
};

struct StoredTopic {
  TopicDocument document;
  std::string target;                       // what it is to be called
  std::vector<StoredPartition> partitions;  // by id

  const std::string& name() const { return document.name; }
  std::uint64_t records() const;
  std::uint64_t content_bytes() const;
  std::uint64_t file_bytes() const;
};

// Documents, with their path in whatever error there is. nullopt: the snapshot has none.
Result<std::optional<PartitionDocument>> ReadStoredPartition(SnapshotView& snapshot,
                                                             const std::string& topic,
                                                             std::int32_t partition);
Result<std::optional<ClusterDocument>> ReadStoredCluster(SnapshotView& snapshot);
Result<std::vector<AclFacts>> ReadStoredAcls(SnapshotView& snapshot);
Result<std::vector<ScramUserFacts>> ReadStoredUsers(SnapshotView& snapshot);
Result<void> ForEachStoredGroup(SnapshotView& snapshot,
                                const std::function<Result<void>(const GroupDocument&)>& visit);

// The topics that are asked for, in the order in which they are restored: those whose name begins
// with '_' before what relies on them; without those that were made while the cluster was saved, of
// which the backup warned, and which it is kNotFound to name. kNotFound also for a pattern or a
// name that none has, kInvalidArgument where two would get the same name.
Result<std::vector<StoredTopic>> ReadStoredTopics(SnapshotView& snapshot,
                                                  const RestoreRequest& request);

// What the snapshot lacks of a partition's records, for messages; nullopt: nothing.
std::optional<std::string> HoleIn(const StoredTopic& topic, std::int32_t partition);
// By which a restore ends of a snapshot with these.
Error HolesError(const std::vector<std::string>& holes);

// Whether a file has records that are asked for.
bool IsWanted(const RecordRun& run, const RestoreRequest& request);

}  // namespace holdfast::kafka
