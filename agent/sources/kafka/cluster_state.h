// All of a cluster that is no record, as the documents of a snapshot have it.
//
// Everything is asked before positions are fixed. What is refused, what cannot be told by this
// librdkafka and is known to be there, and what may be there and is not shown (visibility.h) is
// missing. An Error means that the cluster could not be asked at all.
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

// Which topics are to be saved, as Settings::IsSaved() has it.
using TopicFilter = std::function<bool(std::string_view topic)>;

// What each node that reads partitions asks.
struct TopicsState {
  rdkafka::Cluster cluster;           // with all topics that are seen
  std::vector<TopicDocument> topics;  // that are to be saved, by name
  std::set<std::string> compacted;    // those whose clean-up compacts, or may
  std::vector<Missing> missing;
  std::vector<std::string> warnings;
};
// Also compares with this broker's own directories, and takes from them the ids that librdkafka
// cannot tell.
Result<TopicsState> AskForTopics(rdkafka::Client& client, const LogDirectories& directories,
                                 const TopicFilter& wants, std::stop_token stop);

// Whether the files of this broker tell the partition's present history: it is one of the cluster,
// and in sync. Those of one that is stopped or lags behind tell of a past that may be void.
bool IsInSync(const LogDirectories& directories, const rdkafka::Cluster& cluster,
              std::string_view topic, std::int32_t partition);

// Gives `topics` their ids as they are now; those that nothing tells stay as they are.
Result<void> AddTopicIds(rdkafka::Client& client, const LogDirectories& directories,
                         const rdkafka::Cluster& cluster, std::vector<TopicDocument>& topics,
                         std::vector<std::string>& warnings, const std::stop_token& stop);

// What one of them asks.
struct ClusterState {
  explicit ClusterState(std::string state_dir) : groups(std::move(state_dir)) {}
  ClusterDocument cluster;
  std::optional<std::vector<AclFacts>> acls;         // nullopt: not known
  std::optional<std::vector<ScramUserFacts>> users;  // likewise
  GroupSpool groups;
  std::vector<Missing> missing;
  // Missing, too, unless KRaft's own log is saved.
  std::vector<Missing> only_in_metadata_log;
  std::vector<std::string> warnings;
};
struct ClusterQuestion {
  NameScope topics;          // that are to be saved: Settings::include and IsSaved()
  std::string state_dir;     // for groups, see GroupSpool
  Random* random = nullptr;  // for names that nobody has
  // As brokers call this user, e.g. "User:anna"; empty: not known, see PrincipalOf().
  std::string principal = {};
  // This broker's own, null where it cannot be read: nothing else tells who its super users are.
  const JavaProperties* server_properties = nullptr;
};
// Asks groups first: AskForTopics() may come before, positions come after it. `cluster` is that of
// AskForTopics().
Result<ClusterState> AskForCluster(rdkafka::Client& client, const rdkafka::Cluster& cluster,
                                   const ClusterQuestion& question, std::stop_token stop);

// What cannot be had by this librdkafka whatever the cluster has, and what by none, each in a
// sentence. For people who look before a backup: what of it is known to be there is missing.
std::vector<std::string> LibraryLimits(const rdkafka::Capabilities& library);

// The parts, for tests.

// What is said of its brokers' configuration, and what follows from it.
struct BrokerConfigs {
  std::vector<BrokerFacts> brokers;
  Configs defaults;
  std::optional<bool> has_authorizer;  // nullopt: not known
  bool was_told = false;               // at least one broker's
  std::vector<Missing> missing;
  std::vector<Missing> secrets;  // set, and not told
};
// `configs` in the order of `brokers`.
BrokerConfigs ReadBrokerConfigs(const std::vector<rdkafka::Broker>& brokers,
                                const std::vector<rdkafka::OwnerConfigs>& configs);

struct AclList {
  std::vector<AclFacts> acls;
  std::vector<Missing> missing;  // of kinds that librdkafka does not know
};
AclList ReadAcls(const std::vector<rdkafka::AclBinding>& bindings);

}  // namespace holdfast::kafka
