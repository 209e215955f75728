#include "agent/sources/kafka/cluster_state.h"

#include <algorithm>
#include <iterator>
#include <set>
#include <span>
#include <utility>

#include "agent/sources/host/paths.h"
#include "common/base/format.h"
#include "common/kafka/groups.h"
#include "common/kafka/users.h"

namespace holdfast::kafka {
namespace {

using rdkafka::ConfigEntry;
using rdkafka::ConfigOwner;
using rdkafka::ConfigScope;
using rdkafka::ConfigSource;
using rdkafka::OwnerConfigs;

// Limits the size of a response, which includes all inherited settings of each topic or group.
constexpr std::size_t kTopicsAtOnce = 500;
constexpr std::size_t kGroupsAtOnce = 100;

constexpr std::string_view kOffsetsTopic = "__consumer_offsets";
constexpr std::string_view kShareTopic = "__share_group_state";

template <typename T>
void Append(std::vector<T>& to, std::vector<T> more) {
  to.insert(to.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
}

Missing MissingFor(std::string what, const Error& error) {
  return {std::move(what), error.message(), error.hint()};
}

// The settings of the owner itself, without inherited ones. Entries without a value are secrets,
// which topics and groups do not have.
Configs OwnConfigs(const std::vector<ConfigEntry>& entries, ConfigSource own) {
  Configs configs;
  for (const ConfigEntry& entry : entries)
    if (entry.source == own && entry.value) configs[entry.name] = *entry.value;
  return configs;
}

TopicDocument MakeDocument(const rdkafka::Topic& topic) {
  TopicDocument document;
  document.name = topic.name;
  document.partitions = static_cast<std::int32_t>(topic.partitions.size());
  for (const rdkafka::Partition& partition : topic.partitions) {
    document.replicas.push_back(partition.replicas);
    document.replication_factor =
        std::max(document.replication_factor, static_cast<std::int32_t>(partition.replicas.size()));
  }
  return document;
}

// Whether the effective cleanup.policy includes "compact"; true if it is unknown.
bool MayCompact(const OwnerConfigs& configs) {
  const auto policy =
      std::ranges::find(configs.entries, std::string_view("cleanup.policy"), &ConfigEntry::name);
  return policy == configs.entries.end() || !policy->value ||
         policy->value->find("compact") != std::string::npos;
}

Result<void> AddTopicConfigs(rdkafka::Client& client, TopicsState& state,
                             const std::stop_token& stop) {
  std::vector<Missing> missing;
  for (std::size_t at = 0; at < state.topics.size(); at += kTopicsAtOnce) {
    const auto topics =
        std::span(state.topics).subspan(at, std::min(kTopicsAtOnce, state.topics.size() - at));
    std::vector<ConfigOwner> owners;
    for (const TopicDocument& topic : topics) owners.push_back({ConfigScope::kTopic, topic.name});
    HF_ASSIGN(const auto configs, rdkafka::DescribeConfigs(client, owners, stop));
    for (std::size_t i = 0; i < topics.size(); ++i) {
      topics[i].configs = OwnConfigs(configs[i].entries, ConfigSource::kTopic);
      if (MayCompact(configs[i])) state.compacted.insert(topics[i].name);
      if (const auto& error = configs[i].error; error && error->code() != ErrorCode::kNotFound)
        missing.push_back(
            MissingFor(fmt::format("configuration of topic {}", Quote(topics[i].name)), *error));
    }
  }
  Shorten(missing, "topics' configurations");
  Append(state.missing, std::move(missing));
  return {};
}

void CompareDirectories(const LogDirectories& directories, const TopicFilter& wants,
                        TopicsState& state) {
  std::vector<Missing> missing;
  std::string_view last;
  for (const PartitionDirectory& entry : directories.partitions()) {
    const std::string& topic = entry.name.topic;
    if (topic == last || !wants(topic)) continue;
    const auto found =
        std::ranges::lower_bound(state.cluster.topics, topic, {}, &rdkafka::Topic::name);
    const bool is_seen = found != state.cluster.topics.end() && found->name == topic;
    // If the directory no longer exists, the topic was deleted: brokers rename it, then remove it.
    if (is_seen || !host::Exists(entry.path)) continue;
    last = topic;
    missing.push_back(
        {fmt::format("topic {}", Quote(topic)),
         fmt::format("the broker keeps it in {}, but the cluster does not show it to this user",
                     Quote(entry.path)),
         "allow this user DESCRIBE on topic \"*\" (kafka-acls --add); or remove the directory if "
         "it is no longer used"});
  }
  Shorten(missing, "topics");
  Append(state.missing, std::move(missing));
}

GroupDocument MakeDocument(const rdkafka::Group& group, rdkafka::GroupOffsets offsets) {
  GroupDocument document;
  document.name = group.id;
  document.state = group.state;
  document.type = group.type;
  for (rdkafka::GroupOffset& entry : offsets.offsets)
    document.offsets.push_back({std::move(entry.partition.topic), entry.partition.partition,
                                entry.offset, entry.leader_epoch, std::move(entry.metadata)});
  return document;
}

// Reads all groups, kGroupsAtOnce at a time.
class GroupReader {
 public:
  GroupReader(rdkafka::Client& client, ClusterState& state, std::stop_token stop)
      : client_(client), state_(state), stop_(std::move(stop)) {}

  // Returns the groups' names, sorted.
  Result<std::vector<std::string>> Ask() {
    HF_ASSIGN(const rdkafka::GroupList list, rdkafka::ListGroups(client_, stop_));
    for (const Error& error : list.errors)
      state_.missing.push_back(MissingFor("consumer groups of one broker", error));
    const std::span groups(list.groups);
    for (std::size_t at = 0; at < groups.size(); at += kGroupsAtOnce)
      HF_TRY(AskSome(groups.subspan(at, std::min(kGroupsAtOnce, groups.size() - at))));
    Shorten(offsets_missing_, "consumer groups");
    Append(state_.missing, std::move(offsets_missing_));
    Shorten(configs_missing_, "consumer groups' configurations");
    Append(state_.missing, std::move(configs_missing_));
    std::vector<std::string> names;
    for (const rdkafka::Group& group : groups) names.push_back(group.id);
    return names;
  }

 private:
  Result<void> AskSome(std::span<const rdkafka::Group> groups) {
    std::vector<std::string> names;
    for (const rdkafka::Group& group : groups) names.push_back(group.id);
    HF_ASSIGN(auto offsets, rdkafka::ListGroupOffsets(client_, names, stop_));
    HF_ASSIGN(const auto configs, AskForConfigs(names));
    for (std::size_t i = 0; i < groups.size(); ++i) {
      const std::string shown = fmt::format("consumer group {}", Quote(names[i]));
      if (const auto& error = offsets[i].error) {
        if (error->code() != ErrorCode::kNotFound)
          offsets_missing_.push_back(MissingFor(shown, *error));
        continue;
      }
      for (const auto& [partition, error] : offsets[i].partition_errors)
        offsets_missing_.push_back(
            MissingFor(fmt::format("{}, its offset of partition {} of topic {}", shown,
                                   partition.partition, Quote(partition.topic)),
                       error));
      GroupDocument document = MakeDocument(groups[i], std::move(offsets[i]));
      document.configs = configs[i];
      HF_TRY(state_.groups.Add(document));
    }
    return {};
  }

  // Brokers before Kafka 4 have no group configurations and reject the request for every group.
  Result<std::vector<Configs>> AskForConfigs(const std::vector<std::string>& names) {
    std::vector<Configs> all(names.size());
    if (!have_configs_) return all;
    std::vector<ConfigOwner> owners;
    for (const std::string& name : names) owners.push_back({ConfigScope::kGroup, name});
    HF_ASSIGN(const auto configs, rdkafka::DescribeConfigs(client_, owners, stop_));
    have_configs_ = !std::ranges::all_of(configs, [](const OwnerConfigs& entry) {
      return entry.error && (entry.error->code() == ErrorCode::kInvalidArgument ||
                             entry.error->code() == ErrorCode::kUnsupported);
    });
    if (!have_configs_) return all;
    for (std::size_t i = 0; i < names.size(); ++i) {
      all[i] = OwnConfigs(configs[i].entries, ConfigSource::kGroup);
      if (const auto& error = configs[i].error; error && error->code() != ErrorCode::kNotFound)
        configs_missing_.push_back(
            MissingFor(fmt::format("configuration of consumer group {}", Quote(names[i])), *error));
    }
    return all;
  }

  rdkafka::Client& client_;
  ClusterState& state_;
  const std::stop_token stop_;
  bool have_configs_ = true;
  std::vector<Missing> offsets_missing_;
  std::vector<Missing> configs_missing_;
};

// Returns whether this user is shown to have DESCRIBE on the cluster, which listing ACLs requires.
Result<bool> AskForUsers(rdkafka::Client& client, ClusterState& state,
                         const std::stop_token& stop) {
  auto users = rdkafka::DescribeScramUsers(client, stop);
  if (!users) {
    const Error& error = users.error();
    if (error.code() == ErrorCode::kCancelled) return Fail(std::move(users).error());
    if (error.code() != ErrorCode::kUnsupported)
      state.missing.push_back(MissingFor("users with SCRAM passwords", error));
    return false;
  }
  state.users.emplace();
  for (const rdkafka::ScramUser& user : *users) {
    if (user.error) {
      state.missing.push_back(
          MissingFor(fmt::format("SCRAM user {}", Quote(user.name)), *user.error));
      continue;
    }
    ScramUserFacts& facts = state.users->emplace_back();
    facts.name = user.name;
    for (const rdkafka::ScramCredential& credential : user.credentials)
      facts.iterations[credential.mechanism] = credential.iterations;
  }
  if (!state.users->empty())
    state.only_in_metadata_log.push_back(
        {fmt::format("passwords of {} SCRAM users", state.users->size()),
         "brokers do not return their hashes",
         "back up the cluster's ZooKeeper or, with KRaft, set \"log_dirs\" to the broker's "
         "directories; otherwise set the passwords again after a restore"});
  return true;
}

Result<void> AskForAcls(rdkafka::Client& client, const rdkafka::Cluster& cluster,
                        const ClusterStateOptions& question, const std::vector<std::string>& groups,
                        AclEvidence evidence, ClusterState& state, const std::stop_token& stop) {
  std::vector<rdkafka::AclBinding> bindings;
  auto described = rdkafka::DescribeAcls(client, stop);
  if (described) {
    bindings = *std::move(described);
    auto doubt = bindings.empty() ? CheckEmptyAclList(evidence) : std::nullopt;
    Append(state.missing, MissingAcls(bindings));
    if (doubt)
      state.missing.push_back(*std::move(doubt));
    else
      state.acls = bindings;
  } else if (described.error().code() == ErrorCode::kCancelled) {
    return Fail(std::move(described).error());
  } else if (described.error().code() != ErrorCode::kUnsupported) {
    state.missing.push_back(MissingFor("ACLs", described.error()));
  } else if (evidence.has_authorizer == true) {
    state.missing.push_back({"ACLs", described.error().message(),
                             "back them up with the tools of the cluster's own authorizer"});
  } else {
    state.acls.emplace();  // the cluster has no authorizer
    evidence.has_authorizer = false;
  }
  if (evidence.has_authorizer == false) return {};
  std::vector<std::string> topics;
  for (const rdkafka::Topic& topic : cluster.topics) topics.push_back(topic.name);
  const std::string unused_name = UnusedName(*question.random);
  HF_ASSIGN(auto hidden,
            FindHiddenTopics(client, bindings, topics, unused_name, question.topics, stop));
  Append(state.missing, std::move(hidden));
  // Querying a group creates __consumer_offsets, so query only if it exists or there are groups.
  if (!groups.empty() || std::ranges::binary_search(topics, kOffsetsTopic)) {
    HF_ASSIGN(hidden, FindHiddenGroups(client, bindings, groups, unused_name, stop));
    Append(state.missing, std::move(hidden));
  }
  return {};
}

}  // namespace

bool IsInSync(const LogDirectories& directories, const rdkafka::Cluster& cluster,
              std::string_view topic, std::int32_t partition) {
  const bool is_other = !cluster.id.empty() && !directories.cluster_id().empty() &&
                        cluster.id != directories.cluster_id();
  if (!directories.broker_id() || is_other) return false;
  const auto found = std::ranges::find(cluster.topics, topic, &rdkafka::Topic::name);
  if (found == cluster.topics.end()) return false;
  const auto one = std::ranges::find(found->partitions, partition, &rdkafka::Partition::id);
  return one != found->partitions.end() &&
         std::ranges::find(one->in_sync, *directories.broker_id()) != one->in_sync.end();
}

Result<void> AddTopicIds(rdkafka::Client& client, const LogDirectories& directories,
                         const rdkafka::Cluster& cluster, std::vector<TopicDocument>& topics,
                         std::vector<std::string>& warnings, const std::stop_token& stop) {
  std::vector<std::string> names;
  for (const TopicDocument& topic : topics) names.push_back(topic.name);
  if (rdkafka::LibraryCapabilities().topic_ids && !names.empty()) {
    auto ids = rdkafka::ListTopicIds(client, names, stop);
    if (ids) {
      for (std::size_t i = 0; i < names.size(); ++i) topics[i].id = std::move((*ids)[i]);
    } else if (ids.error().code() == ErrorCode::kCancelled) {
      return Fail(std::move(ids).error());
    } else {
      warnings.push_back("topics' ids are not known: " + ids.error().Text());
    }
  }
  for (TopicDocument& topic : topics) {
    for (std::int32_t partition = 0; partition < topic.partitions && topic.id.empty();
         ++partition) {
      if (!IsInSync(directories, cluster, topic.name, partition)) continue;
      auto id = directories.TopicId(topic.name, partition);
      if (!id)
        warnings.push_back(id.error().Text());
      else
        topic.id = std::move(*id).value_or("");
    }
  }
  return {};
}

Result<TopicsState> ReadTopics(rdkafka::Client& client, const LogDirectories& directories,
                               const TopicFilter& wants, std::stop_token stop) {
  TopicsState state;
  HF_ASSIGN(state.cluster, rdkafka::DescribeCluster(client, stop));
  for (const rdkafka::Topic& topic : state.cluster.topics) {
    if (!wants(topic.name)) continue;
    TopicDocument document = MakeDocument(topic);
    if (document.partitions > 0 && document.replication_factor > 0) {
      state.topics.push_back(std::move(document));
      continue;
    }
    const Error unknown(ErrorCode::kUnavailable, "the cluster does not report its partitions");
    state.missing.push_back(
        MissingFor(fmt::format("topic {}", Quote(topic.name)), topic.error.value_or(unknown)));
  }
  HF_TRY(AddTopicIds(client, directories, state.cluster, state.topics, state.warnings, stop));
  HF_TRY(AddTopicConfigs(client, state, stop));
  CompareDirectories(directories, wants, state);
  return state;
}

BrokerConfigs ReadBrokerConfigs(const std::vector<rdkafka::Broker>& brokers,
                                const std::vector<OwnerConfigs>& configs) {
  BrokerConfigs result;
  std::set<std::string> secrets;
  for (std::size_t i = 0; i < brokers.size(); ++i) {
    BrokerFacts& facts = result.brokers.emplace_back();
    facts.id = brokers[i].id;
    facts.host = brokers[i].host;
    facts.port = brokers[i].port;
    if (configs[i].error) {
      result.missing.push_back(
          MissingFor(fmt::format("configuration of broker {}", facts.id), *configs[i].error));
      continue;
    }
    result.was_reported = true;
    for (const ConfigEntry& entry : configs[i].entries) {
      if (entry.name == "authorizer.class.name")
        result.has_authorizer = entry.value.has_value() && !entry.value->empty();
      const bool is_own = entry.source == ConfigSource::kBroker;
      if (!is_own && entry.source != ConfigSource::kAllBrokers) continue;
      if (entry.value) {
        (is_own ? facts.configs : result.defaults)[entry.name] = *entry.value;
      } else if (entry.is_sensitive) {
        secrets.insert(is_own ? fmt::format("{} of broker {}", entry.name, facts.id)
                              : fmt::format("{} of all brokers", entry.name));
      }
    }
  }
  for (const std::string& secret : secrets)
    result.secrets.push_back({"configuration " + secret, "brokers do not return secrets",
                              "set it again after a restore (kafka-configs --alter)"});
  Shorten(result.missing, "brokers' configurations");
  Shorten(result.secrets, "brokers' secrets");
  return result;
}

std::vector<Missing> MissingAcls(const std::vector<rdkafka::AclBinding>& acls) {
  std::vector<Missing> missing;
  for (const rdkafka::AclBinding& binding : acls) {
    const bool is_known = binding.resource_type != "UNKNOWN" && binding.operation != "UNKNOWN" &&
                          binding.pattern_type != "UNKNOWN" && binding.permission != "UNKNOWN";
    if (!is_known)
      missing.push_back(
          {fmt::format("ACL {} {} {} on {} {}", binding.permission, binding.principal,
                       binding.operation, binding.resource_type, Quote(binding.resource_name)),
           fmt::format("librdkafka {} does not support its type",
                       rdkafka::LibraryCapabilities().version),
           "build with librdkafka 2.6 or later, which supports ACLs on transactional ids, and keep "
           "the output of \"kafka-acls --list\""});
  }
  Shorten(missing, "ACLs");
  return missing;
}

Result<ClusterState> ReadClusterState(rdkafka::Client& client, const rdkafka::Cluster& cluster,
                                      const ClusterStateOptions& question, std::stop_token stop) {
  ClusterState state(question.state_dir);
  HF_ASSIGN(const auto groups, GroupReader(client, state, stop).Ask());

  std::vector<ConfigOwner> owners;
  for (const rdkafka::Broker& broker : cluster.brokers)
    owners.push_back({ConfigScope::kBroker, std::to_string(broker.id)});
  HF_ASSIGN(const auto configs, rdkafka::DescribeConfigs(client, owners, stop));
  BrokerConfigs brokers = ReadBrokerConfigs(cluster.brokers, configs);
  state.cluster.cluster_id = cluster.id;
  state.cluster.brokers = std::move(brokers.brokers);
  state.cluster.default_configs = std::move(brokers.defaults);
  Append(state.missing, std::move(brokers.missing));
  Append(state.only_in_metadata_log, std::move(brokers.secrets));

  const auto has_topic = [&](std::string_view name) {
    return std::ranges::binary_search(cluster.topics, name, {}, &rdkafka::Topic::name);
  };
  if (has_topic(kShareTopic))
    state.missing.push_back(
        {"positions of share groups",
         fmt::format("librdkafka {} cannot read them", rdkafka::LibraryCapabilities().version),
         "set them after a restore: kafka-share-groups --reset-offsets"});

  AclEvidence evidence;
  evidence.has_authorizer = brokers.has_authorizer;
  evidence.may_describe_configs = brokers.was_reported;
  evidence.server_properties = question.server_properties;
  evidence.principal = question.principal;
  HF_ASSIGN(evidence.may_describe_cluster, AskForUsers(client, state, stop));
  HF_TRY(AskForAcls(client, cluster, question, groups, std::move(evidence), state, stop));
  return state;
}

std::vector<std::string> LibraryLimits(const rdkafka::Capabilities& library) {
  std::vector<std::string> limits = {
      "quotas and hashes of SCRAM passwords cannot be read through the brokers: KRaft has them in "
      "its metadata log, ZooKeeper in its tree",
      "subscriptions of client metrics cannot be found because their names cannot be listed"};
  const auto cannot = [&](std::string_view what) {
    limits.push_back(fmt::format("librdkafka {} {}", library.version, what));
  };
  if (!library.scram_users) cannot("cannot list the users with SCRAM passwords (2.2 can)");
  if (!library.topic_ids)
    cannot("cannot read topic ids (2.3 can): only those of partitions in \"log_dirs\" are known");
  if (!library.transactional_id_acls)
    cannot("does not support ACLs on transactional ids (2.6 does)");
  if (!library.kafka4_scram_login) cannot("cannot log in to Kafka 4 with SCRAM (2.6.1 can)");
  return limits;
}

}  // namespace holdfast::kafka
