// Commits for groups what they had committed, translated to the target's offsets.
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
#include "agent/sources/kafka/documents.h"
#include "agent/sources/kafka/restore_request.h"
#include "agent/sources/kafka/stored_cluster.h"
#include "common/base/result.h"
#include "common/kafka/client.h"
#include "common/kafka/cluster.h"
#include "common/stream/snapshot_view.h"

namespace holdfast::kafka {

// By stored topics' names.
using CommittedByPartition = std::map<rdkafka::TopicPartition, CommittedOffsets>;

struct StoredGroups {
  std::uint64_t groups = 0;   // with an offset in one of the topics
  std::uint64_t offsets = 0;  // that they have there
  CommittedByPartition committed;
};
// What groups have in these topics, which are all that are restored.
Result<StoredGroups> ReadStoredGroups(SnapshotView& snapshot,
                                      const std::vector<StoredTopic>& topics);

// Where a stored offset is in the target; nullopt: it is not known, and the group keeps what it has
// there. By the stored topic's name.
using TranslateOffset = std::function<std::optional<std::int64_t>(
    const rdkafka::TopicPartition& partition, std::int64_t offset)>;

struct GroupOutcome {
  std::uint64_t offsets = 0;
  std::vector<Error> failed;  // of a group each, named
};
// Of each group those offsets that are in one of the topics. An error of one does not keep the
// others from being done; the Result is about the cluster. `done` are groups that are passed over,
// and to which those that are done are added.
Result<GroupOutcome> CommitGroups(rdkafka::Client& client, SnapshotView& snapshot,
                                  const std::vector<StoredTopic>& topics, bool with_configs,
                                  const TranslateOffset& translate, std::set<std::string>& done,
                                  const std::stop_token& stop);

// Where a topic has the snapshot's records at the very offsets, as after a restore onto disks: by
// the last one of each partition. Of partitions with offsets in `committed`, by stored names, those
// for which that holds, with where they begin and end; the others are named in `warnings`.
Result<std::map<rdkafka::TopicPartition, rdkafka::Bounds>> FindExactPartitions(
    rdkafka::Client& client, SnapshotView& snapshot, const std::vector<StoredTopic>& topics,
    const CommittedByPartition& committed, std::vector<std::string>& warnings,
    const std::stop_token& stop);

}  // namespace holdfast::kafka
