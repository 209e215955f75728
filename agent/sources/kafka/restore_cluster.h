// Restores a snapshot of a Kafka cluster into a running cluster by writing its records (method
// "to-cluster").
//
// The target assigns the offsets: a topic's first record gets the topic's next offset. Committed
// offsets are translated for each partition.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "agent/sources/kafka/restore_request.h"
#include "agent/sources/source.h"

namespace holdfast::kafka {

// The environment of a restore.
struct RestoreEnvironment {
  SourceContext context;
  // Opens a Kafka source that saves only these topics of that cluster, for RestoreSpec::save_first.
  std::function<Result<std::unique_ptr<Source>>(const rdkafka::ClientOptions& cluster,
                                                const std::vector<std::string>& topics)>
      open_source;
  // The restore ends if no broker accepts a record for this long.
  std::chrono::milliseconds delivery_limit = std::chrono::minutes(5);
};

// Validates the whole request before changing anything. Calling it again after an interruption
// resumes and duplicates no record. REQUIRES: request.cluster has brokers.
Result<MethodOutcome> RestoreToCluster(const RestoreEnvironment& surroundings,
                                       const RestoreRequest& request, const RestoreSpec& spec,
                                       Progress& progress, std::stop_token stop);

}  // namespace holdfast::kafka
