// The options of a Kafka source.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"
#include "common/config/schema.h"
#include "common/kafka/client.h"
#include "common/kafka/properties.h"

namespace holdfast::kafka {

struct Settings {
  std::vector<std::string> bootstrap;     // "host:port"
  rdkafka::Properties client;             // librdkafka properties
  std::vector<std::string> log_dirs;      // absolute; of this node's broker
  std::vector<std::string> include{"*"};  // shell patterns of topics
  std::vector<std::string> exclude;       // shell patterns; wins over include
  std::vector<std::string> files;         // further absolute paths to save

  rdkafka::ClientOptions Client() const { return {.bootstrap = bootstrap, .properties = client}; }
  // Whether a topic is saved: it is included, not excluded, and not one of Kafka's internal topics,
  // which are useless in another cluster.
  bool IsSaved(std::string_view topic) const;
};

config::Schema SettingsSchema();
Result<Settings> ReadSettings(const config::Values& values);

// The internal topics with the state of groups and transactions.
bool IsLedger(std::string_view topic);
// Matches shell patterns (fnmatch).
bool MatchesAny(const std::vector<std::string>& patterns, std::string_view topic);

}  // namespace holdfast::kafka
