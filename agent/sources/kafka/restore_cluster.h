// Restores a snapshot of a Kafka cluster into a running cluster by writing its records (method
// "to-cluster").
// Offsets are the target's own: a topic's first record gets the offset that is next there. What
// groups have committed is translated, partition by partition.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "agent/sources/kafka/restore_request.h"
#include "agent/sources/source.h"
#include "common/kafka/client.h"

namespace holdfast::kafka {

// What of its source a restore needs.
struct RestoreSurroundings {
  SourceContext context;
  // A source of the same kind that has these topics of that cluster and nothing else, for
  // RestoreSpec::save_first.
  std::function<Result<std::unique_ptr<Source>>(const rdkafka::ClientOptions& cluster,
                                                const std::vector<std::string>& topics)>
      open_source;
  // The restore ends if no broker accepts a record for this long.
  std::chrono::milliseconds delivery_limit = std::chrono::minutes(5);
};

// What the request asks for is checked before anything is changed; the same once more goes on with
// what an interruption has left, and doubles no record. REQUIRES: request.cluster has brokers.
Result<MethodOutcome> RestoreToCluster(const RestoreSurroundings& surroundings,
                                       const RestoreRequest& request, const RestoreSpec& spec,
                                       Progress& progress, std::stop_token stop);

}  // namespace holdfast::kafka
