// The content of a Kafka snapshot:
//
//   data/cluster.json                                 brokers and their dynamic configuration
//   data/acls.json                                    ACLs
//   data/users.json                                   users with SCRAM passwords
//   data/groups/<group>.json                          committed offsets of a group
//   data/topics/<topic>/topic.json                    what is needed to recreate the topic
//   data/topics/<topic>/<partition>/partition.json    facts about the records, see below
//   data/topics/<topic>/<partition>/<offset>.log      the records (segment_writer.h)
//   members/<node>/...                                files of each broker
//
// Encoding is deterministic, so unchanged documents are stored once. docs/sources/kafka.md
// describes them for readers without Holdfast. Decoders ignore unknown fields. They fail with
// kCorrupt if a document is malformed and with kUnsupported if a newer Holdfast wrote it.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "agent/sources/kafka/record_run.h"
#include "common/base/result.h"
#include "common/crypto/sha256.h"
#include "common/kafka/acls.h"

namespace holdfast::kafka {

inline constexpr std::string_view kClusterPath = "data/cluster.json";
inline constexpr std::string_view kAclsPath = "data/acls.json";
inline constexpr std::string_view kUsersPath = "data/users.json";
inline constexpr std::string_view kGroupsPath = "data/groups";
inline constexpr std::string_view kTopicsPath = "data/topics";

// TopicPath() and PartitionPath() are directories.
std::string TopicPath(std::string_view topic);
std::string PartitionPath(std::string_view topic, std::int32_t partition);
std::string TopicDocumentPath(std::string_view topic);
std::string PartitionDocumentPath(std::string_view topic, std::int32_t partition);
// Group names are arbitrary. Bytes other than letters, digits, '-', '_' and '.' become %XX, and the
// end of a name that would be too long is replaced by its SHA-256.
std::string GroupPath(std::string_view group);

// Holdfast does not write larger documents.
inline constexpr std::uint64_t kDocumentBytesMax = 64U << 20;

// Explicit settings by name. Excludes inherited ones, and secrets, which brokers do not return.
using Configs = std::map<std::string, std::string>;

struct BrokerFacts {
  std::int32_t id = 0;
  std::string host;
  std::int32_t port = 0;
  Configs configs;  // dynamic configuration of this broker only
  bool operator==(const BrokerFacts&) const = default;
};

struct ClusterDocument {
  std::string cluster_id;
  std::vector<BrokerFacts> brokers;               // sorted by id
  Configs default_configs;                        // dynamic configuration of all brokers
  std::map<std::string, Configs> client_metrics;  // by subscription name
  bool operator==(const ClusterDocument&) const = default;
};

struct ScramUserFacts {
  std::string name;
  std::map<std::string, std::int32_t> iterations;  // by mechanism
  bool operator==(const ScramUserFacts&) const = default;
};

struct GroupOffsetFacts {
  std::string topic;
  std::int32_t partition = 0;
  std::int64_t offset = 0;         // of the next record to read
  std::int32_t leader_epoch = -1;  // -1: unknown
  std::string metadata;            // arbitrary bytes
  bool operator==(const GroupOffsetFacts&) const = default;
};

struct GroupDocument {
  std::string name;
  std::string state;  // in the broker's words
  std::string type;   // "Classic" or "Consumer"; empty: unknown
  Configs configs;
  std::vector<GroupOffsetFacts> offsets;  // sorted by topic and partition
  bool operator==(const GroupDocument&) const = default;
};

struct TopicDocument {
  std::string name;
  std::string id;  // as Kafka's tools show it; empty: unknown
  std::int32_t partitions = 0;
  std::int32_t replication_factor = 0;
  std::vector<std::vector<std::int32_t>> replicas;  // brokers of each partition, leader first
  Configs configs;
  bool operator==(const TopicDocument&) const = default;
};

// Offsets from `first` on have leader epoch `epoch`, as in a broker's leader-epoch-checkpoint.
struct EpochStart {
  std::int32_t epoch = 0;
  std::int64_t first = 0;
  bool operator==(const EpochStart&) const = default;
};

// Offsets that were deleted before they could be saved. No snapshot from this one on has them.
struct LostRange {
  std::int64_t first = 0;
  std::int64_t end = 0;  // exclusive
  std::string reason;
  bool operator==(const LostRange&) const = default;
};

struct SegmentFacts {
  std::uint64_t bytes = 0;
  RecordRun run;  // at least one record; the first offset is the file's name
  bool operator==(const SegmentFacts&) const = default;
};

struct PartitionDocument {
  std::string topic_id;  // empty: unknown
  std::int32_t leader = -1;
  // Offsets at the cut. Records from last_stable on belong to open transactions or follow one.
  std::int64_t low = 0;
  std::int64_t last_stable = 0;
  std::int64_t high = 0;
  // Every readable record below `end` is in the files. If it is less than last_stable, reading
  // stopped early for the reason in `incomplete`.
  std::int64_t end = 0;
  std::string incomplete;
  std::vector<EpochStart> epochs;  // ascending; empty: unknown
  // If the partition still has this record, its stored history is still valid. Epoch -1: unknown.
  RecordRun last_record;
  std::int32_t last_record_epoch = -1;
  bool compacted = false;  // any record may disappear
  std::vector<LostRange> lost;
  std::vector<SegmentFacts> files;  // sorted by offset
  bool operator==(const PartitionDocument&) const = default;

  // The records of all files together.
  RecordRun run() const;
};

std::string EncodeCluster(const ClusterDocument& document);
Result<ClusterDocument> DecodeCluster(std::string_view json);
std::string EncodeAcls(const std::vector<rdkafka::AclBinding>& acls);
Result<std::vector<rdkafka::AclBinding>> DecodeAcls(std::string_view json);
std::string EncodeUsers(const std::vector<ScramUserFacts>& users);
Result<std::vector<ScramUserFacts>> DecodeUsers(std::string_view json);
std::string EncodeGroup(const GroupDocument& document);
Result<GroupDocument> DecodeGroup(std::string_view json);
std::string EncodeTopic(const TopicDocument& document);
Result<TopicDocument> DecodeTopic(std::string_view json);
// Encoding adds the sum of all files for human readers. Decoding verifies the order of offsets.
std::string EncodePartition(const PartitionDocument& document);
Result<PartitionDocument> DecodePartition(std::string_view json);

}  // namespace holdfast::kafka
