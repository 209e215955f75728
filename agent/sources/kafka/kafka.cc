#include "agent/sources/kafka/kafka.h"

#include <algorithm>
#include <memory>
#include <string>
#include <utility>

#include "agent/sources/kafka/backup.h"
#include "agent/sources/kafka/cluster_state.h"
#include "agent/sources/kafka/discover.h"
#include "agent/sources/kafka/log_directory.h"
#include "agent/sources/kafka/settings.h"
#include "agent/sources/member/basic_source.h"
#include "common/base/format.h"
#include "common/kafka/capabilities.h"

namespace holdfast {
namespace kafka {
namespace {

class KafkaSource final : public BasicSource<Settings, OpenBackupSession> {
 public:
  using BasicSource::BasicSource;

  Result<SourceInfo> Probe(std::stop_token stop) override {
    HF_ASSIGN(const auto client, rdkafka::Client::Open(settings_.Client()));
    const LogDirectories directories = LogDirectories::Open(settings_.log_dirs);
    HF_ASSIGN(
        TopicsState topics,
        ReadTopics(
            *client, directories,
            [this](std::string_view topic) { return settings_.IsSaved(topic); }, std::move(stop)));
    SourceInfo info;
    info.missing = directories.missing();
    info.missing.insert(info.missing.end(), topics.missing.begin(), topics.missing.end());
    info.warnings = std::move(topics.warnings);
    const rdkafka::Capabilities library = rdkafka::LibraryCapabilities();
    for (std::string& limit : LibraryLimits(library)) info.warnings.push_back(std::move(limit));
    info.identity["cluster_id"] = topics.cluster.id;
    info.identity["librdkafka"] = library.version;
    const auto own = OwnBroker(directories, topics.cluster);
    if (own) info.identity["broker"] = std::to_string(*own);
    for (const rdkafka::Broker& broker : topics.cluster.brokers) {
      auto& member = info.members.emplace_back();
      member["id"] = std::to_string(broker.id);
      member["endpoint"] = fmt::format("{}:{}", broker.host, broker.port);
      if (own == broker.id) member["here"] = "true";
    }
    DescribeTopics(topics, info);
    info.would_save.insert(info.would_save.end(), settings_.files.begin(), settings_.files.end());
    return info;
  }

 private:
  static void DescribeTopics(const TopicsState& topics, SourceInfo& info) {
    std::size_t partitions = 0;
    std::size_t leaderless = 0;
    std::size_t lagging = 0;
    for (const TopicDocument& topic : topics.topics) {
      const auto seen = std::ranges::find(topics.cluster.topics, topic.name, &rdkafka::Topic::name);
      if (seen == topics.cluster.topics.end()) continue;
      partitions += seen->partitions.size();
      for (const rdkafka::Partition& partition : seen->partitions) {
        if (partition.leader < 0) ++leaderless;
        if (partition.in_sync.size() < partition.replicas.size()) ++lagging;
      }
    }
    info.healthy = leaderless == 0;
    info.health = fmt::format(
        "{}, {}, {} without a leader, {} with replicas "
        "that lag",
        FormatCount(topics.cluster.brokers.size(), "broker"), FormatCount(partitions, "partition"),
        leaderless, lagging);
    info.would_save.push_back(fmt::format("{} with {}", FormatCount(topics.topics.size(), "topic"),
                                          FormatCount(partitions, "partition")));
  }
};

}  // namespace

std::unique_ptr<Source> OpenTopics(const SourceContext& context,
                                   const rdkafka::ClientOptions& cluster,
                                   const std::vector<std::string>& topics) {
  Settings settings;
  settings.bootstrap = cluster.bootstrap;
  settings.client = cluster.properties;
  settings.include = topics;
  return std::make_unique<KafkaSource>(context, std::move(settings));
}

}  // namespace kafka

SourceKind KafkaKind() {
  SourceKind kind;
  kind.kind = "kafka";
  kind.topology = Topology::kSharded;
  kind.summary = "Kafka: committed records, configuration, ACLs, and offsets of consumer groups";
  kind.options = kafka::SettingsSchema();
  kind.no_in_place = "its brokers have a shared state";
  kind.discover = kafka::Discover;
  kind.open = OpenWithSettings<kafka::KafkaSource, kafka::ReadSettings>;
  return kind;
}

}  // namespace holdfast
