// Consumer groups and their committed offsets.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "common/base/result.h"
#include "common/kafka/client.h"

namespace holdfast::rdkafka {

struct Group {
  std::string id;
  std::string state;  // "Stable", "Empty", ...; "Unknown" if newer than librdkafka
  std::string type;   // "Classic", "Consumer"; empty before librdkafka 2.10
};

// The groups that this user may describe; others are absent without an error. Some brokers may fail
// while others answer.
struct GroupList {
  std::vector<Group> groups;  // sorted by id
  std::vector<Error> errors;
};
Result<GroupList> ListGroups(Client& client, std::stop_token stop);

struct GroupOffset {
  TopicPartition partition;
  std::int64_t offset = 0;
  std::int32_t leader_epoch = -1;  // -1: not known
  std::string metadata;            // set by the group's consumer
};

struct GroupOffsets {
  std::vector<GroupOffset> offsets;  // sorted by topic and partition; empty for an unknown group
  std::vector<std::pair<TopicPartition, Error>> partition_errors;
  std::optional<Error> error;  // of the group, e.g. kDenied
};

// All offsets of each group, in the order of `groups`.
Result<std::vector<GroupOffsets>> ListGroupOffsets(Client& client,
                                                   std::span<const std::string> groups,
                                                   std::stop_token stop);

// Commits offsets for a group, which is created if needed and must have no members. Returns one
// outcome per offset, in order; nullopt: committed. Each is kBusy while the group has members.
// Offsets are not checked against the partitions. REQUIRES: partitions are distinct.
Result<std::vector<std::optional<Error>>> AlterGroupOffsets(Client& client,
                                                            const std::string& group,
                                                            std::span<const GroupOffset> offsets,
                                                            std::stop_token stop);

}  // namespace holdfast::rdkafka
