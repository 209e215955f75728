// The mock cluster answers few of the requests. tests/integration/kafka uses real brokers.
#include "agent/sources/kafka/cluster_state.h"

#include "agent/sources/kafka/settings.h"
#include "common/base/format.h"
#include "tests/support/catch.h"
#include "tests/support/file_trees.h"
#include "tests/support/results.h"
#include "tests/unit/kafka/mock_cluster.h"

namespace holdfast::kafka {
namespace {

using rdkafka::ConfigEntry;
using rdkafka::ConfigSource;
using rdkafka::testing::MockCluster;
using testing::Unwrap;

std::vector<std::string> WhatIsMissing(const std::vector<Missing>& missing) {
  std::vector<std::string> what;
  for (const Missing& entry : missing) what.push_back(entry.what);
  return what;
}

struct Cluster {
  Cluster() {
    for (const char* topic :
         {"orders", "_schemas", "__consumer_offsets", "__transaction_state", "__share_group_state"})
      kafka.CreateTopic(topic, 2, 3);
    REQUIRE_OK(MakeDirectories(log_dir));
    testing::WriteText(log_dir + "/meta.properties", "version=1\nnode.id=1\n");
  }
  void AddDirectory(const std::string& name) const {
    REQUIRE_OK(MakeDirectories(log_dir + "/" + name));
  }
  TopicsState Ask(const TopicFilter& wants = [](std::string_view topic) {
    return Settings().IsSaved(topic);
  }) {
    rdkafka::ClientOptions options = kafka.options();
    // The mock has no controller, which answers requests for configurations and ids.
    options.time_limit = std::chrono::milliseconds(500);
    auto client = Unwrap(rdkafka::Client::Open(options));
    const std::vector<std::string> log_dirs = {log_dir};
    return Unwrap(ReadTopics(*client, LogDirectories::Open(log_dirs), wants, {}));
  }

  MockCluster kafka{3};
  TempDir top = Unwrap(TempDir::Create("kafka-state"));
  std::string log_dir = top.path() + "/data";
};

TEST_CASE("kafka state: files of a broker that is not in sync are not used") {
  Cluster cluster;
  cluster.AddDirectory("orders-1");
  testing::WriteText(cluster.log_dir + "/orders-1/partition.metadata",
                     "version: 0\ntopic_id: RbuwiR-FRg6IW9NkrCIH7w");
  testing::WriteText(cluster.log_dir + "/meta.properties", "version=1\nnode.id=7\n");
  const TopicsState state = cluster.Ask();
  const auto orders = std::ranges::find(state.topics, "orders", &TopicDocument::name);
  REQUIRE(orders != state.topics.end());
  REQUIRE(orders->id.empty());
  const std::vector<std::string> log_dirs = {cluster.log_dir};
  for (const char* id : {"1", "7"}) {
    testing::WriteText(cluster.log_dir + "/meta.properties",
                       fmt::format("version=1\nnode.id={}\n", id));
    const LogDirectories directories = LogDirectories::Open(log_dirs);
    REQUIRE(IsInSync(directories, state.cluster, "orders", 1) == (*id == '1'));
    REQUIRE_FALSE(IsInSync(directories, state.cluster, "orders", 2));
    REQUIRE_FALSE(IsInSync(directories, state.cluster, "none", 0));
  }
  testing::WriteText(cluster.log_dir + "/meta.properties",
                     "version=1\nnode.id=1\ncluster.id=other\n");
  REQUIRE_FALSE(IsInSync(LogDirectories::Open(log_dirs), state.cluster, "orders", 1));
}

TEST_CASE("kafka state: topics are saved, except the brokers' own") {
  Cluster cluster;
  cluster.AddDirectory("orders-1");
  cluster.AddDirectory("__consumer_offsets-0");
  testing::WriteText(cluster.log_dir + "/orders-1/partition.metadata",
                     "version: 0\ntopic_id: RbuwiR-FRg6IW9NkrCIH7w");

  const TopicsState state = cluster.Ask();

  REQUIRE(state.cluster.topics.size() == 5);
  REQUIRE(state.topics.size() == 2);
  REQUIRE(state.topics[0].name == "_schemas");
  const TopicDocument& orders = state.topics[1];
  REQUIRE(orders.name == "orders");
  REQUIRE(orders.partitions == 2);
  REQUIRE(orders.replication_factor == 3);
  REQUIRE(orders.replicas.size() == 2);
  REQUIRE(orders.replicas[1].size() == 3);
  REQUIRE(orders.id == "RbuwiR-FRg6IW9NkrCIH7w");
  REQUIRE(WhatIsMissing(state.missing) ==
          std::vector<std::string>{"configuration of topic \"_schemas\"",
                                   "configuration of topic \"orders\""});
}

TEST_CASE("kafka state: unwanted topics are ignored") {
  Cluster cluster;
  cluster.AddDirectory("unwanted-0");
  const TopicsState state = cluster.Ask([](std::string_view topic) { return topic == "orders"; });
  REQUIRE(state.topics.size() == 1);
  REQUIRE(WhatIsMissing(state.missing) ==
          std::vector<std::string>{"configuration of topic \"orders\""});
}

TEST_CASE("kafka state: a topic with a directory that the cluster does not show is missing") {
  Cluster cluster;
  for (const char* name : {"hidden-0", "hidden-1", "orders-7", "__cluster_metadata-0",
                           "deleted-0.a9d3b7c8e1f54d6db2c1e0f9a8b7c6d5-delete"})
    cluster.AddDirectory(name);
  const TopicsState state = cluster.Ask();
  REQUIRE(state.missing.size() == 3);
  REQUIRE(state.missing[2].what == "topic \"hidden\"");
  REQUIRE_THAT(state.missing[2].reason, Catch::Contains(cluster.log_dir + "/hidden-0"));
  REQUIRE_THAT(state.missing[2].remedy, Catch::Contains("DESCRIBE"));
}

TEST_CASE("kafka state: of the brokers' configuration only run-time settings are saved") {
  const std::vector<rdkafka::Broker> brokers = {{1, "a", 9092}, {2, "b", 9093}, {3, "c", 9094}};
  const std::vector<ConfigEntry> entries = {
      {"authorizer.class.name", "x.Authorizer", ConfigSource::kFile},
      {"background.threads", "10", ConfigSource::kDefault},
      {"log.cleaner.threads", "2", ConfigSource::kBroker},
      {"min.insync.replicas", "2", ConfigSource::kAllBrokers},
      {"listener.name.x.ssl.key.password", std::nullopt, ConfigSource::kBroker, true},
      {"ssl.key.password", std::nullopt, ConfigSource::kAllBrokers, true},
      {"sasl.jaas.config", std::nullopt, ConfigSource::kFile, true}};
  const std::vector<rdkafka::OwnerConfigs> configs = {
      {{rdkafka::ConfigScope::kBroker, "1"}, entries, std::nullopt},
      {{rdkafka::ConfigScope::kBroker, "2"}, {entries.begin(), entries.begin() + 2}, std::nullopt},
      {{rdkafka::ConfigScope::kBroker, "3"},
       {},
       Error(ErrorCode::kDenied, "cluster authorization failed").WithHint("let it")}};

  const BrokerConfigs read = ReadBrokerConfigs(brokers, configs);

  REQUIRE(read.brokers == std::vector<BrokerFacts>{{1, "a", 9092, {{"log.cleaner.threads", "2"}}},
                                                   {2, "b", 9093, {}},
                                                   {3, "c", 9094, {}}});
  REQUIRE(read.defaults == Configs{{"min.insync.replicas", "2"}});
  REQUIRE(read.has_authorizer == true);
  REQUIRE(read.was_reported);
  REQUIRE(read.missing == std::vector<Missing>{{"configuration of broker 3",
                                                "cluster authorization failed", "let it"}});
  REQUIRE(WhatIsMissing(read.secrets) ==
          std::vector<std::string>{"configuration listener.name.x.ssl.key.password of broker 1",
                                   "configuration ssl.key.password of all brokers"});
}

TEST_CASE("kafka state: an authorizer is detected if a broker shows its configuration") {
  const std::vector<rdkafka::Broker> brokers = {{1, "a", 9092}};
  std::vector<rdkafka::OwnerConfigs> configs(1);
  REQUIRE_FALSE(ReadBrokerConfigs(brokers, configs).has_authorizer);
  configs[0].entries = {{"authorizer.class.name", "", ConfigSource::kDefault}};
  REQUIRE(ReadBrokerConfigs(brokers, configs).has_authorizer == false);
}

TEST_CASE("kafka state: ACLs unknown to librdkafka are named as missing") {
  const rdkafka::AclBinding known = {"TOPIC", "orders", "LITERAL", "User:anna",
                                     "*",     "READ",   "ALLOW"};
  rdkafka::AclBinding unknown = known;
  unknown.resource_type = "UNKNOWN";
  const std::vector<Missing> missing = MissingAcls({known, unknown});
  REQUIRE(missing.size() == 1);
  REQUIRE(missing[0].what == "ACL ALLOW User:anna READ on UNKNOWN \"orders\"");
}

TEST_CASE("kafka state: limits of this librdkafka are listed") {
  rdkafka::Capabilities old;
  old.version = "2.0.2";
  REQUIRE(LibraryLimits(old).size() == 6);
  REQUIRE_THAT(LibraryLimits(old)[2], Catch::Contains("librdkafka 2.0.2"));
  old.scram_users = old.topic_ids = old.transactional_id_acls = old.kafka4_scram_login = true;
  REQUIRE(LibraryLimits(old).size() == 2);
}

}  // namespace
}  // namespace holdfast::kafka
