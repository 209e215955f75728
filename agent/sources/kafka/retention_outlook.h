// Which records a topic's own configuration is going to delete as soon as it gets it: brokers look
// at timestamps, not at when a record was written.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "agent/sources/kafka/documents.h"
#include "agent/sources/kafka/stored_cluster.h"
#include "common/base/clock.h"
#include "common/kafka/configs.h"

namespace holdfast::kafka {

// Of a broker's entries: what topics have that do not say otherwise, by the topics' own names.
Configs RetentionDefaults(const std::vector<rdkafka::ConfigEntry>& broker);

// In words; nullopt: none. `defaults` as above, Kafka's own where they are empty. `configs` are
// what the topic will have of its own.
std::optional<std::string> RetentionOutlook(const StoredTopic& topic, const Configs& configs,
                                            const Configs& defaults, WallTime now);

}  // namespace holdfast::kafka
