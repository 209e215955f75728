// What a broker's own log directories tell that its cluster does not: who the broker is, which
// partitions it has whether or not this user may see them, and of each its topic's id and its
// leaders' history. They are only read, and while the broker works: what changes meanwhile is as it
// was at some moment.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "agent/sources/kafka/broker_texts.h"
#include "agent/sources/kafka/documents.h"
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
  // Looks at the directories (Kafka's log.dirs). Never fails: what cannot be read is missing().
  static LogDirectories Open(std::span<const std::string> paths);

  // As meta.properties have it; nullopt where none could be read, or they are of several brokers.
  std::optional<std::int32_t> broker_id() const { return broker_id_; }
  const std::string& cluster_id() const { return cluster_id_; }  // empty: not known
  bool is_kraft() const { return is_kraft_; }
  // By name. Of one that is in several directories only the first.
  const std::vector<PartitionDirectory>& partitions() const { return partitions_; }
  // Null where the broker has no such partition.
  const PartitionDirectory* Find(std::string_view topic, std::int32_t partition) const;

  // As Kafka's tools show it; nullopt where the broker does not have the partition, or is too old
  // for ids. kCorrupt and kUnsupported as in broker_texts.h.
  Result<std::optional<std::string>> TopicId(std::string_view topic, std::int32_t partition) const;
  // Empty where the broker does not have the partition, or has written nothing yet.
  Result<std::vector<EpochStart>> Epochs(std::string_view topic, std::int32_t partition) const;

  // Directories and files that could not be read: what they would tell is not known.
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

// The directory that holds KRaft's own log, which is no topic's.
inline constexpr std::string_view kMetadataTopic = "__cluster_metadata";

}  // namespace holdfast::kafka
