// The small files that a broker keeps for itself: what its log directories say of themselves and of
// their partitions, and its configuration.
//
// Whoever runs the broker writes them, and the agent may have more rights than he: nothing here
// believes a number or a size. Parsing fails with kCorrupt when a text is not of its form, and
// kUnsupported when a newer Kafka wrote it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/sources/java_properties.h"
#include "agent/sources/kafka/documents.h"
#include "common/base/result.h"

namespace holdfast::kafka {

// meta.properties, of each log directory.
struct MetaProperties {
  bool is_kraft = false;                  // else the cluster is described by a ZooKeeper
  std::string cluster_id;                 // empty: not told
  std::optional<std::int32_t> broker_id;  // broker.id, or node.id as KRaft calls it
  std::string directory_id;               // empty before Kafka 3.7
  bool operator==(const MetaProperties&) const = default;
};
Result<MetaProperties> ParseMetaProperties(std::string_view text);

// partition.metadata: the topic's id as Kafka's tools show it.
Result<std::string> ParseTopicId(std::string_view text);

// leader-epoch-checkpoint: ascending, as PartitionDocument has them.
Result<std::vector<EpochStart>> ParseEpochs(std::string_view text);

// Whether brokers take such a name of a topic.
bool IsTopicName(std::string_view name);

struct PartitionName {
  std::string topic;
  std::int32_t partition = 0;
  auto operator<=>(const PartitionName&) const = default;
};
// Of a directory "<topic>-<partition>"; nullopt for all others, those of partitions that are being
// deleted ("-delete") or moved here ("-future") and those that belong to nobody ("-stray") among
// them.
std::optional<PartitionName> ParsePartitionName(std::string_view directory);

}  // namespace holdfast::kafka
