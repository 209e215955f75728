// Puts a snapshot of a Kafka cluster back: into a cluster that runs, by writing its records anew,
// or onto the disks of brokers that are stopped, file by file.
//
// Into a cluster (--to-cluster) offsets are the target's own: a topic's first record gets the
// offset that is next there. What groups have committed is translated, partition by partition. Onto
// disks (--to-log-dirs) offsets, timestamps and their types stay as they were.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "agent/sources/source.h"
#include "common/config/schema.h"
#include "common/kafka/client.h"
#include "common/kafka/properties.h"

namespace holdfast::kafka {

// The flags of `restore` that RestoreSnapshot() understands.
std::vector<config::OptionSpec> RestoreOptions();

// What of its source a restore needs.
struct RestoreSurroundings {
  SourceContext context;
  // How the source's own cluster is reached, and where no --target-client says otherwise, the
  // target.
  rdkafka::Properties client;
  // A source of the same kind that has these topics of that cluster and nothing else, for
  // RestoreSpec::save_first.
  std::function<Result<std::unique_ptr<Source>>(const rdkafka::ClientOptions& cluster,
                                                const std::vector<std::string>& topics)>
      open_source;
  // A record that no broker has taken for so long ends the restore.
  std::chrono::milliseconds delivery_limit = std::chrono::minutes(5);
};

// As Source::RestoreSpecial(). What the options ask for is checked before anything is changed; the
// same once more goes on with what an interruption has left, and doubles no record.
Result<SpecialRestore> RestoreSnapshot(const RestoreSurroundings& surroundings,
                                       const RestoreSpec& spec, Progress& progress,
                                       std::stop_token stop);

}  // namespace holdfast::kafka
