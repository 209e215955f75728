// The options of a Kafka source, typed.
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
  rdkafka::Properties client;             // how to reach them
  std::vector<std::string> log_dirs;      // of the broker on this node; absolute
  std::vector<std::string> include{"*"};  // shell patterns of topics
  std::vector<std::string> exclude;       // of those, what is left out
  std::vector<std::string> files;         // further absolute paths to save

  rdkafka::ClientOptions Client() const { return {.bootstrap = bootstrap, .properties = client}; }
  // Whether the records of a topic are saved: it is included, not excluded, and none of Kafka's own
  // ledgers of groups and transactions, which make no sense in another cluster.
  bool IsSaved(std::string_view topic) const;
};

config::Schema SettingsSchema();
Result<Settings> ReadSettings(const config::Values& values);

// Where groups keep their offsets and transactions their state.
bool IsLedger(std::string_view topic);
// As a shell matches a file's name.
bool MatchesAny(const std::vector<std::string>& patterns, std::string_view topic);

}  // namespace holdfast::kafka
