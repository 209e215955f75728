// Commits the saved offsets of groups, translated to the target's offsets.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <stop_token>
#include <string>
#include <vector>

#include "agent/sources/kafka/committed_offsets.h"
#include "agent/sources/kafka/stored_cluster.h"
#include "common/base/result.h"
#include "common/kafka/client.h"
#include "common/kafka/cluster.h"
#include "common/stream/snapshot_view.h"

namespace holdfast::kafka {

// By the topics' names in the snapshot.
using CommittedByPartition = std::map<rdkafka::TopicPartition, CommittedOffsets>;

struct StoredGroups {
  std::uint64_t groups = 0;   // with an offset in one of the topics
  std::uint64_t offsets = 0;  // of these groups in these topics
  CommittedByPartition committed;
};
// Reads the offsets of all groups in `topics`, the topics being restored.
Result<StoredGroups> ReadStoredGroups(SnapshotView& snapshot,
                                      const std::vector<StoredTopic>& topics);

// Returns the target's offset of a stored one. `partition` has the topic's name in the snapshot.
// nullopt: unknown; the group's offset in the target is left as it is.
using TranslateOffset = std::function<std::optional<std::int64_t>(
    const rdkafka::TopicPartition& partition, std::int64_t offset)>;

struct GroupOutcome {
  std::uint64_t offsets = 0;
  std::vector<Error> failed;  // one per group, with its name
};
// Commits the offsets of each group in `topics`. A failed group does not affect the others; the
// Result fails if the cluster does. Skips the groups in `done` and adds those that succeed.
Result<GroupOutcome> CommitGroups(rdkafka::Client& client, SnapshotView& snapshot,
                                  const std::vector<StoredTopic>& topics, bool with_configs,
                                  const TranslateOffset& translate, std::set<std::string>& done,
                                  const std::stop_token& stop);

// Finds the partitions in which the records have the same offsets as in the snapshot, as after a
// restore to log directories, by comparing the last record. Checks the partitions in `committed`.
// Returns those that match, by the topic's name in the snapshot, with their bounds in the target.
// Names the others in `warnings`.
Result<std::map<rdkafka::TopicPartition, rdkafka::Bounds>> FindExactPartitions(
    rdkafka::Client& client, SnapshotView& snapshot, const std::vector<StoredTopic>& topics,
    const CommittedByPartition& committed, std::vector<std::string>& warnings,
    const std::stop_token& stop);

}  // namespace holdfast::kafka
