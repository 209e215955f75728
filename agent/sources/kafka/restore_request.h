// What the operator asks of a restore.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"
#include "common/config/schema.h"
#include "common/kafka/client.h"
#include "common/kafka/properties.h"

namespace holdfast::kafka {

struct RestoreRequest {
  rdkafka::ClientOptions cluster;     // without bootstrap where log_dirs are given
  std::vector<std::string> log_dirs;  // absolute
  std::vector<std::string> topics;    // shell patterns; empty: all
  std::map<std::string, std::string> renames;
  std::string prefix;
  std::optional<std::int64_t> until_ms;  // only records whose timestamp is less
  bool records = true;
  bool configs = true;
  bool acls = true;
  bool groups = true;
  bool hold_retention = false;
  bool replace_topic = false;
  bool zero_timestamp_as_one = false;
  std::string compression = "none";  // of the batches that are written, as Kafka calls it

  bool MakesTopics() const { return records || configs; }
  // What the topic is to be called.
  std::string TargetOf(const std::string& topic) const;
  // The same for two restores of a snapshot that bring the same to the same places; says nothing of
  // how the cluster is reached.
  std::string Text() const;
};

// The options of "to-cluster" and of "to-log-dirs".
std::vector<config::OptionSpec> ClusterOptions();
std::vector<config::OptionSpec> LogDirsOptions();

// kInvalidArgument for values that the options' types cannot exclude. `own` are the properties
// without --target-client.
Result<RestoreRequest> ReadClusterRequest(const config::Values& options,
                                          const rdkafka::Properties& own);
Result<RestoreRequest> ReadLogDirsRequest(const config::Values& options);

}  // namespace holdfast::kafka
