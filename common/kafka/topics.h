// Making and removing topics, partitions and records.
//
// Each call says what became of each element, in their order; nullopt: done. The Result itself is
// about the cluster as a whole. REQUIRES: no topic, or partition, is named twice in one call.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "common/base/result.h"
#include "common/kafka/client.h"

namespace holdfast::rdkafka {

using Outcomes = std::vector<std::optional<Error>>;

struct NewTopic {
  std::string name;
  // How many, and how often each is kept; -1: as the brokers' default says. Not looked at where
  // `replicas` is given: the brokers of each partition, its preferred leader first.
  int partitions = -1;
  int replication_factor = -1;
  std::vector<std::vector<std::int32_t>> replicas = {};
  std::vector<std::pair<std::string, std::string>> configs = {};
};

enum class Effect : std::uint8_t {
  kReal,
  kNone
};  // kNone: the brokers only say whether it would do

Result<Outcomes> CreateTopics(Client& client, std::span<const NewTopic> topics, Effect effect,
                              std::stop_token stop);

Result<Outcomes> DeleteTopics(Client& client, std::span<const std::string> topics,
                              std::stop_token stop);

struct MorePartitions {
  std::string topic;
  int total = 0;  // more than there are
};

Result<Outcomes> CreatePartitions(Client& client, std::span<const MorePartitions> topics,
                                  std::stop_token stop);

struct DeleteBefore {
  TopicPartition partition;
  std::optional<std::int64_t> offset;  // the first that stays; nullopt: none does
};

Result<Outcomes> DeleteRecords(Client& client, std::span<const DeleteBefore> records,
                               std::stop_token stop);

}  // namespace holdfast::rdkafka
