// Consumer groups and the offsets that they have committed.
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
  std::string state;       // "Stable", "Empty", ... as brokers call it; "Unknown" for a new one
  std::string type;        // "Classic", "Consumer"; empty unless Capabilities::group_types
  bool is_simple = false;  // offsets that somebody committed without ever having joined
};

// The groups that this user may describe: of the others nothing is said, which is no error. One
// broker may fail while the others answer.
struct GroupList {
  std::vector<Group> groups;  // by id
  std::vector<Error> errors;
};
Result<GroupList> ListGroups(Client& client, std::stop_token stop);

struct GroupMember {
  std::string id;
  std::string client_id;
  std::string host;
  std::string instance_id;  // empty: it has none
};

struct GroupDescription {
  std::string id;
  // "Dead" also for a group of the type "Consumer" unless Capabilities::group_types: ListGroups()
  // knows better then.
  std::string state;
  std::string assignor;
  std::int32_t coordinator = -1;  // a broker's id
  std::vector<GroupMember> members;
  std::optional<Error> error;
};

// In the order of `groups`.
Result<std::vector<GroupDescription>> DescribeGroups(Client& client,
                                                     std::span<const std::string> groups,
                                                     std::stop_token stop);

struct GroupOffset {
  TopicPartition partition;
  std::int64_t offset = 0;
  std::int32_t leader_epoch = -1;  // -1: not known
  std::string metadata = {};       // what the group's consumer wrote beside it
};

struct GroupOffsets {
  std::vector<GroupOffset> offsets;  // by topic and partition; none of an unknown group
  std::vector<std::pair<TopicPartition, Error>> partition_errors;
  std::optional<Error> error;  // of the group, e.g. kDenied
};

// All offsets of each group, in the order of `groups`.
Result<std::vector<GroupOffsets>> ListGroupOffsets(Client& client,
                                                   std::span<const std::string> groups,
                                                   std::stop_token stop);

// Commits offsets for a group, which is made if need be and must have no members. What became of
// each, in their order; nullopt: committed. kBusy for each while the group has members. Offsets are
// not compared with what is there. REQUIRES: no partition is named twice.
Result<std::vector<std::optional<Error>>> AlterGroupOffsets(Client& client,
                                                            const std::string& group,
                                                            std::span<const GroupOffset> offsets,
                                                            std::stop_token stop);

}  // namespace holdfast::rdkafka
