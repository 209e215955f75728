// Backs up a cluster, or one node's part of a cluster that several nodes back up together.
//
// Reads the groups before it fixes the positions, so that no committed offset is past the saved
// records. Each partition is saved up to its last stable offset at the cut. Partitions are
// independent of each other, as they are in Kafka.
//
// With kLead and kShards, a session saves the partitions that the local broker leads when the
// session is prepared. kRest saves whatever no other part has completely: partitions that moved in
// the meantime, partitions of brokers without an agent, and partitions that could not be read.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "agent/sources/kafka/log_directory.h"
#include "agent/sources/kafka/settings.h"
#include "agent/sources/source.h"
#include "common/kafka/cluster.h"

namespace holdfast::kafka {

// All references must outlive the session.
std::unique_ptr<BackupSession> OpenBackupSession(const SourceContext& context,
                                                 const Settings& settings, const BackupSpec& spec);

// The id of this node's broker: from the log directories, or else the broker that is the only
// bootstrap server. nullopt if neither identifies it.
std::optional<std::int32_t> OwnBroker(const LogDirectories& directories,
                                      const rdkafka::Cluster& cluster);

}  // namespace holdfast::kafka
