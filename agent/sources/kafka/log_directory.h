// Reads what only a broker's log directories show: the broker's identity, which partitions it has
// even if this user may not see them, and each partition's topic id and leader epochs. Only reads.
// The broker may be running, so each file is read as it is at some moment.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "agent/sources/kafka/documents.h"
#include "agent/sources/kafka/parse_broker_texts.h"
#include "common/base/result.h"
#include "common/stream/manifest.h"

namespace holdfast::kafka {

// One partition's directory.
struct PartitionDirectory {
  PartitionName name;
  std::string path;
};

// Used by one thread at a time.
class LogDirectories {
 public:
  // Reads the directories (Kafka's log.dirs). Never fails: what cannot be read is in missing().
  static LogDirectories Open(std::span<const std::string> paths);

  // From meta.properties; nullopt if none is readable. If they name several brokers, the first.
  std::optional<std::int32_t> broker_id() const { return broker_id_; }
  const std::string& cluster_id() const { return cluster_id_; }  // empty: unknown
  bool is_kraft() const { return is_kraft_; }
  // Sorted by name. A partition in several directories is listed only in the first.
  const std::vector<PartitionDirectory>& partitions() const { return partitions_; }
  // Null if the broker does not have the partition.
  const PartitionDirectory* Find(std::string_view topic, std::int32_t partition) const;

  // As Kafka's tools show it; nullopt if the broker does not have the partition or is too old for
  // topic ids. kCorrupt and kUnsupported as in parse_broker_texts.h.
  Result<std::optional<std::string>> TopicId(std::string_view topic, std::int32_t partition) const;
  // Empty if the broker does not have the partition or has not written the file yet.
  Result<std::vector<EpochStart>> Epochs(std::string_view topic, std::int32_t partition) const;

  // Directories and files that could not be read.
  const std::vector<Missing>& missing() const { return missing_; }

 private:
  void ReadMeta(const std::string& directory);
  void List(const std::string& directory);

  std::optional<std::int32_t> broker_id_;
  std::string cluster_id_;
  bool is_kraft_ = false;
  std::vector<PartitionDirectory> partitions_;
  std::vector<Missing> missing_;
};

// KRaft's metadata log, which is not a topic.
inline constexpr std::string_view kMetadataTopic = "__cluster_metadata";

}  // namespace holdfast::kafka
