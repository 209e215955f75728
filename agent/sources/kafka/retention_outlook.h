// Predicts which records a topic's configuration deletes right after the restore: brokers apply
// retention to timestamps, not to the time of writing.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "agent/sources/kafka/documents.h"
#include "agent/sources/kafka/stored_cluster.h"
#include "common/base/clock.h"
#include "common/kafka/configs.h"

namespace holdfast::kafka {

// Returns a broker's defaults for topics, by the names of the topic configuration.
Configs RetentionDefaults(const std::vector<rdkafka::ConfigEntry>& broker);

// Returns a warning; nullopt if nothing is deleted. `configs` is the topic's configuration after
// the restore, `defaults` is from RetentionDefaults(). Kafka's own defaults fill the gaps.
std::optional<std::string> RetentionOutlook(const StoredTopic& topic, const Configs& configs,
                                            const Configs& defaults, WallTime now);

}  // namespace holdfast::kafka
