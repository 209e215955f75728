// The operator's options for a restore.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "common/base/result.h"
#include "common/config/schema.h"
#include "common/kafka/client.h"
#include "common/kafka/properties.h"

namespace holdfast::kafka {

struct RestoreRequest {
  rdkafka::ClientOptions cluster;     // no bootstrap if log_dirs is set
  std::vector<std::string> log_dirs;  // absolute
  std::vector<std::string> topics;    // shell patterns; empty: all
  std::map<std::string, std::string> renames;
  std::string prefix;
  std::optional<std::int64_t> until_ms;  // only records with a lower timestamp
  bool records = true;
  bool configs = true;
  bool acls = true;
  bool groups = true;
  bool hold_retention = false;
  bool replace_topic = false;
  bool zero_timestamp_as_one = false;
  std::string compression = "none";  // of the written batches; Kafka's names

  bool MakesTopics() const { return records || configs; }
  // The topic's name in the target.
  std::string TargetOf(const std::string& topic) const;
  // Equal for two restores of a snapshot if they restore the same data to the same places. Does not
  // include how to reach the cluster.
  std::string Text() const;
};

// The options of "to-cluster" and of "to-log-dirs".
std::vector<config::OptionSpec> ClusterOptions();
std::vector<config::OptionSpec> LogDirsOptions();

// kInvalidArgument for invalid values that the option types allow. `own`: the source's properties,
// without --target-client.
Result<RestoreRequest> ReadClusterRequest(const config::Values& options,
                                          const rdkafka::Properties& own);
Result<RestoreRequest> ReadLogDirsRequest(const config::Values& options);

}  // namespace holdfast::kafka
