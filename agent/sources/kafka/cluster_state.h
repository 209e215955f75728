// Reads everything of a cluster except its records, as the documents of a snapshot.
//
// Everything is read before positions are fixed. Listed as missing: what the cluster refuses, what
// exists but this librdkafka cannot read, and what may exist but is not visible (visibility.h).
// Fails only if the cluster cannot be queried at all.
#pragma once

#include <functional>
#include <optional>
#include <set>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/sources/kafka/documents.h"
#include "agent/sources/kafka/group_spool.h"
#include "agent/sources/kafka/log_directory.h"
#include "agent/sources/kafka/visibility.h"
#include "common/base/random.h"
#include "common/base/result.h"
#include "common/kafka/acls.h"
#include "common/kafka/capabilities.h"
#include "common/kafka/client.h"
#include "common/kafka/cluster.h"
#include "common/kafka/configs.h"
#include "common/stream/manifest.h"

namespace holdfast::kafka {

// Whether a topic is saved; see Settings::IsSaved().
using TopicFilter = std::function<bool(std::string_view topic)>;

// The topics of a cluster. Every node that saves partitions reads them.
struct TopicsState {
  rdkafka::Cluster cluster;           // with all visible topics
  std::vector<TopicDocument> topics;  // the ones to save, sorted by name
  std::set<std::string> compacted;    // topics whose cleanup.policy may include "compact"
  std::vector<Missing> missing;
  std::vector<std::string> warnings;
};
// Also compares the topics with this broker's log directories, and takes from them the topic ids
// that librdkafka cannot read.
Result<TopicsState> ReadTopics(rdkafka::Client& client, const LogDirectories& directories,
                               const TopicFilter& wants, std::stop_token stop);

// Whether this broker's files show the partition's current history: the broker belongs to the
// cluster and is in sync. A stopped or lagging replica may have records that are no longer valid.
bool IsInSync(const LogDirectories& directories, const rdkafka::Cluster& cluster,
              std::string_view topic, std::int32_t partition);

// Sets the current ids of `topics`. An id that cannot be found out is left as it is.
Result<void> AddTopicIds(rdkafka::Client& client, const LogDirectories& directories,
                         const rdkafka::Cluster& cluster, std::vector<TopicDocument>& topics,
                         std::vector<std::string>& warnings, const std::stop_token& stop);

// The rest of a cluster's state. Only one node of a run reads it.
struct ClusterState {
  explicit ClusterState(std::string state_dir) : groups(std::move(state_dir)) {}
  ClusterDocument cluster;
  std::optional<std::vector<rdkafka::AclBinding>> acls;  // nullopt: unknown
  std::optional<std::vector<ScramUserFacts>> users;      // nullopt: unknown
  GroupSpool groups;
  std::vector<Missing> missing;
  // Missing unless KRaft's metadata log is saved.
  std::vector<Missing> only_in_metadata_log;
  std::vector<std::string> warnings;
};
struct ClusterStateOptions {
  NameScope topics;          // the topics to save: Settings::include and IsSaved()
  std::string state_dir;     // for GroupSpool
  Random* random = nullptr;  // for unused names
  // This user as brokers name it, e.g. "User:anna"; empty: unknown. See PrincipalOf().
  std::string principal;
  // Of this broker; null if not readable. The only source for the super users.
  const JavaProperties* server_properties = nullptr;
};
// Reads the groups first; call it before positions are fixed. `cluster` is from ReadTopics().
Result<ClusterState> ReadClusterState(rdkafka::Client& client, const rdkafka::Cluster& cluster,
                                      const ClusterStateOptions& question, std::stop_token stop);

// What this librdkafka cannot read, and what no version can, one sentence each. Shown before a
// backup whatever the cluster has. What is known to exist is in `missing` instead.
std::vector<std::string> LibraryLimits(const rdkafka::Capabilities& library);

// Exposed for tests.

// The brokers' configurations, and what follows from them.
struct BrokerConfigs {
  std::vector<BrokerFacts> brokers;
  Configs defaults;
  std::optional<bool> has_authorizer;  // nullopt: unknown
  bool was_reported = false;           // at least one broker returned its configuration
  std::vector<Missing> missing;
  std::vector<Missing> secrets;  // set, but not returned by brokers
};
// `configs` is in the order of `brokers`.
BrokerConfigs ReadBrokerConfigs(const std::vector<rdkafka::Broker>& brokers,
                                const std::vector<rdkafka::OwnerConfigs>& configs);

// The ACLs with a resource type, pattern type, operation or permission that librdkafka does not
// know. A long list is shortened.
std::vector<Missing> MissingAcls(const std::vector<rdkafka::AclBinding>& acls);

}  // namespace holdfast::kafka
