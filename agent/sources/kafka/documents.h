// What a snapshot of a Kafka cluster consists of, and where it lies:
//
//   data/cluster.json                                 brokers, and what they are told at run time
//   data/acls.json                                    who may do what
//   data/users.json                                   who has a SCRAM password
//   data/groups/<group>.json                          each consumer group's offsets
//   data/topics/<topic>/topic.json                    how to make it again
//   data/topics/<topic>/<partition>/partition.json    what is known of its records, see below
//   data/topics/<topic>/<partition>/<offset>.log      the records (segment_writer.h)
//   members/<node>/...                                files of each broker
//
// The JSON texts are stable: the same facts are the same bytes, so that what did not change is
// stored once. docs/sources/kafka.md has them for whoever reads them without Holdfast. Of a
// document decoding fails with kCorrupt when it is malformed, and kUnsupported when a newer
// Holdfast wrote it; fields that are not known pass.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/sources/kafka/record_run.h"
#include "common/base/result.h"
#include "common/crypto/sha256.h"

namespace holdfast::kafka {

inline constexpr std::string_view kClusterPath = "data/cluster.json";
inline constexpr std::string_view kAclsPath = "data/acls.json";
inline constexpr std::string_view kUsersPath = "data/users.json";
inline constexpr std::string_view kGroupsPath = "data/groups";
inline constexpr std::string_view kTopicsPath = "data/topics";

std::string TopicPath(std::string_view topic);                              // a directory
std::string PartitionPath(std::string_view topic, std::int32_t partition);  // likewise
std::string TopicDocumentPath(std::string_view topic);
std::string PartitionDocumentPath(std::string_view topic, std::int32_t partition);
// Groups' names may be anything: what no file name holds is written as %XX, and of a name that
// would be too long the end becomes its SHA-256.
std::string GroupPath(std::string_view group);

// What is larger was not made by us.
inline constexpr std::uint64_t kDocumentBytesMax = 64U << 20;

// What somebody has set, by name. Nothing inherited, and no secrets, which brokers do not tell.
using Configs = std::map<std::string, std::string>;

struct BrokerFacts {
  std::int32_t id = 0;
  std::string host;
  std::int32_t port = 0;
  Configs configs;  // set at run time for this broker alone
  bool operator==(const BrokerFacts&) const = default;
};

struct ClusterDocument {
  std::string cluster_id;
  std::vector<BrokerFacts> brokers;               // by id
  Configs default_configs;                        // set at run time for all brokers
  std::map<std::string, Configs> client_metrics;  // by the subscription's name
  bool operator==(const ClusterDocument&) const = default;
};

// In the words of kafka-acls, e.g. TOPIC, "orders", LITERAL, "User:anna", "*", READ, ALLOW.
struct AclFacts {
  std::string resource_type;
  std::string resource_name;
  std::string pattern_type;
  std::string principal;
  std::string host;
  std::string operation;
  std::string permission;
  auto operator<=>(const AclFacts&) const = default;
};

struct ScramUserFacts {
  std::string name;
  std::map<std::string, std::int32_t> iterations;  // by mechanism
  bool operator==(const ScramUserFacts&) const = default;
};

struct GroupOffsetFacts {
  std::string topic;
  std::int32_t partition = 0;
  std::int64_t offset = 0;         // the next record to be read
  std::int32_t leader_epoch = -1;  // -1: not known
  std::string metadata;            // any bytes
  bool operator==(const GroupOffsetFacts&) const = default;
};

struct GroupDocument {
  std::string name;
  std::string state;  // as the broker calls it
  std::string type;   // "Classic", "Consumer"; empty: not known
  Configs configs;
  std::vector<GroupOffsetFacts> offsets;  // by topic and partition
  bool operator==(const GroupDocument&) const = default;
};

struct TopicDocument {
  std::string name;
  std::string id;  // as Kafka's tools show it; empty: not known
  std::int32_t partitions = 0;
  std::int32_t replication_factor = 0;
  std::vector<std::vector<std::int32_t>> replicas;  // brokers of each partition, leader first
  Configs configs;
  bool operator==(const TopicDocument&) const = default;
};

// Offsets from `first` on had leader epoch `epoch`, as a broker's leader-epoch-checkpoint has it.
struct EpochStart {
  std::int32_t epoch = 0;
  std::int64_t first = 0;
  bool operator==(const EpochStart&) const = default;
};

// Records that were there once, and that no snapshot from this one on has.
struct LostRange {
  std::int64_t first = 0;
  std::int64_t end = 0;  // behind the last
  std::string reason;
  bool operator==(const LostRange&) const = default;
};

struct SegmentFacts {
  std::uint64_t bytes = 0;
  RecordRun run;  // its first offset is the file's name; with one record at least
  bool operator==(const SegmentFacts&) const = default;
};

struct PartitionDocument {
  std::string topic_id;  // empty: not known
  std::int32_t leader = -1;
  // As the broker had it when the snapshot was cut. Records from last_stable on belong to open
  // transactions, or stand behind one.
  std::int64_t low = 0;
  std::int64_t last_stable = 0;
  std::int64_t high = 0;
  // Every record that could be read below this is here. Less than last_stable: reading ended early,
  // and `incomplete` says why.
  std::int64_t end = 0;
  std::string incomplete;
  std::vector<EpochStart> epochs;  // ascending; empty: not known
  // Of the last record alone: whether the partition still has it tells whether it still has the
  // history that is stored. Its epoch is -1 where it is not known.
  RecordRun last_record;
  std::int32_t last_record_epoch = -1;
  bool compacted = false;  // so that any record may go
  std::vector<LostRange> lost;
  std::vector<SegmentFacts> files;  // by offset
  bool operator==(const PartitionDocument&) const = default;

  // Of all files together.
  RecordRun run() const;
};

std::string EncodeCluster(const ClusterDocument& document);
Result<ClusterDocument> DecodeCluster(std::string_view json);
std::string EncodeAcls(const std::vector<AclFacts>& acls);
Result<std::vector<AclFacts>> DecodeAcls(std::string_view json);
std::string EncodeUsers(const std::vector<ScramUserFacts>& users);
Result<std::vector<ScramUserFacts>> DecodeUsers(std::string_view json);
std::string EncodeGroup(const GroupDocument& document);
Result<GroupDocument> DecodeGroup(std::string_view json);
std::string EncodeTopic(const TopicDocument& document);
Result<TopicDocument> DecodeTopic(std::string_view json);
// Also says what all files hold together, for people. Decoding checks that offsets are in order.
std::string EncodePartition(const PartitionDocument& document);
Result<PartitionDocument> DecodePartition(std::string_view json);

}  // namespace holdfast::kafka
