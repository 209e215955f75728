// Saves a cluster, or of one that several nodes save at once what is this node's part.
//
// Groups are asked for first, and positions fixed afterwards, so that no group stands behind the
// records that are saved. Each partition is saved up to where its transactions were closed when it
// was cut; partitions are independent of each other, in Kafka as here.
//
// A node's own partitions are those that the broker beside it leads when the session is prepared.
// What no part of the run has whole in the end is kRest's to save: those that moved meanwhile,
// those of brokers without an agent, and those that could not be read.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "agent/sources/kafka/log_directory.h"
#include "agent/sources/kafka/settings.h"
#include "agent/sources/source.h"
#include "common/kafka/cluster.h"

namespace holdfast::kafka {

// Everything referred to outlives the session.
std::unique_ptr<BackupSession> OpenBackupSession(const SourceContext& context,
                                                 const Settings& settings, const BackupSpec& spec);

// The broker on this node: as its log directories say, or else the one that is the only bootstrap
// server. nullopt: neither tells.
std::optional<std::int32_t> OwnBroker(const LogDirectories& directories,
                                      const rdkafka::Cluster& cluster);

}  // namespace holdfast::kafka
