// Parsers for a broker's small text files in its log directories.
//
// The input is untrusted, including its numbers and sizes: the agent may have more rights than the
// broker's owner. Parsers fail with kCorrupt if a text is malformed and with kUnsupported if a
// newer Kafka wrote it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/sources/kafka/documents.h"
#include "agent/sources/member/java_properties.h"
#include "common/base/result.h"

namespace holdfast::kafka {

// meta.properties of a log directory.
struct MetaProperties {
  bool is_kraft = false;                  // false: the cluster uses ZooKeeper
  std::string cluster_id;                 // empty: unknown
  std::optional<std::int32_t> broker_id;  // broker.id, or KRaft's node.id
  std::string directory_id;               // empty before Kafka 3.7
  bool operator==(const MetaProperties&) const = default;
};
Result<MetaProperties> ParseMetaProperties(std::string_view text);

// Parses partition.metadata. Returns the topic id as Kafka's tools show it.
Result<std::string> ParseTopicId(std::string_view text);

// Parses leader-epoch-checkpoint. Ascending, as in PartitionDocument.
Result<std::vector<EpochStart>> ParseEpochs(std::string_view text);

// Whether brokers accept this topic name.
bool IsTopicName(std::string_view name);

struct PartitionName {
  std::string topic;
  std::int32_t partition = 0;
  auto operator<=>(const PartitionName&) const = default;
};
// Parses a directory name "<topic>-<partition>". nullopt for all other names, including partitions
// that are being deleted ("-delete") or moved here ("-future") and stray ones ("-stray").
std::optional<PartitionName> ParsePartitionName(std::string_view directory);

}  // namespace holdfast::kafka
