// Creates and deletes topics.
//
// Each call returns one outcome per topic, in order; nullopt: success. The Result fails if the
// whole request fails. REQUIRES: no topic occurs twice in a call.
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
  // -1: the brokers' default. Both are ignored if `replicas` is set: the brokers of each partition,
  // its preferred leader first.
  int partitions = -1;
  int replication_factor = -1;
  std::vector<std::vector<std::int32_t>> replicas;
  std::vector<std::pair<std::string, std::string>> configs;
};

enum class Effect : std::uint8_t {
  kReal,
  kNone
};  // kNone: the brokers validate the request and change nothing

Result<Outcomes> CreateTopics(Client& client, std::span<const NewTopic> topics, Effect effect,
                              std::stop_token stop);

Result<Outcomes> DeleteTopics(Client& client, std::span<const std::string> topics,
                              std::stop_token stop);

}  // namespace holdfast::rdkafka
