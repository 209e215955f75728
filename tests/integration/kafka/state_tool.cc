// Prints what a snapshot would say of a cluster, for test_state.py.
//
//   kafka_state_tool OPTIONS
//
// OPTIONS are JSON: bootstrap, properties, log_dirs, state_dir, [server_properties]: a path. Prints
// one JSON object with the documents as they would be saved, and what is missing.
#include <nlohmann/json.hpp>

#include <chrono>
#include <iostream>
#include <optional>
#include <string>
#include <vector>

#include "agent/sources/host/untrusted_file.h"
#include "agent/sources/kafka/cluster_state.h"
#include "agent/sources/kafka/settings.h"
#include "common/base/random.h"

namespace holdfast::kafka {
namespace {

using Json = nlohmann::json;

Json Say(const std::vector<Missing>& missing) {
  Json all = Json::array();
  for (const Missing& entry : missing)
    all.push_back({{"what", entry.what}, {"reason", entry.reason}, {"remedy", entry.remedy}});
  return all;
}

Result<Json> Ask(const Json& options) {
  rdkafka::ClientOptions given;
  given.bootstrap = options.at("bootstrap").get<std::vector<std::string>>();
  given.properties = options.at("properties").get<rdkafka::Properties>();
  HF_ASSIGN(const auto client, rdkafka::Client::Open(given));
  const auto log_dirs = options.at("log_dirs").get<std::vector<std::string>>();
  const LogDirectories directories = LogDirectories::Open(log_dirs);
  const auto is_saved = [](std::string_view topic) { return Settings().IsSaved(topic); };
  HF_ASSIGN(const TopicsState topics, ReadTopics(*client, directories, is_saved, {}));
  SystemRandom random;
  ClusterStateOptions question{.topics = {.wants = is_saved},
                               .state_dir = options.at("state_dir").get<std::string>(),
                               .random = &random,
                               .principal = PrincipalOf(given.properties)};
  std::optional<JavaProperties> properties;
  if (options.contains("server_properties")) {
    HF_ASSIGN(const auto text,
              ReadUntrustedFile(options["server_properties"].get<std::string>(), 1U << 20));
    HF_ASSIGN(properties, ParseProperties(text.value_or("")));
    question.server_properties = &*properties;
  }
  HF_ASSIGN(ClusterState state, ReadClusterState(*client, topics.cluster, question, {}));
  Json said;
  said["topics"] = Json::object();
  for (const TopicDocument& topic : topics.topics)
    said["topics"][topic.name] = Json::parse(EncodeTopic(topic));
  said["cluster"] = Json::parse(EncodeCluster(state.cluster));
  said["acls"] = state.acls ? Json::parse(EncodeAcls(*state.acls))["acls"] : Json();
  said["users"] = state.users ? Json::parse(EncodeUsers(*state.users))["users"] : Json();
  said["groups"] = Json::object();
  for (;;) {
    HF_ASSIGN(const auto group, state.groups.Next());
    if (!group) break;
    said["groups"][group->path] = Json::parse(group->json);
  }
  std::vector<Missing> missing = topics.missing;
  missing.insert(missing.end(), directories.missing().begin(), directories.missing().end());
  missing.insert(missing.end(), state.missing.begin(), state.missing.end());
  said["missing"] = Say(missing);
  said["only_in_metadata_log"] = Say(state.only_in_metadata_log);
  said["warnings"] = topics.warnings;
  for (const std::string& warning : state.warnings) said["warnings"].push_back(warning);
  said["limits"] = LibraryLimits(rdkafka::LibraryCapabilities());
  return said;
}

}  // namespace
}  // namespace holdfast::kafka

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  const auto said = holdfast::kafka::Ask(nlohmann::json::parse(argv[1]));
  if (!said) {
    std::cerr << said.error().Text() << "\n";
    return 1;
  }
  std::cout << *said << "\n";
  return 0;
}
