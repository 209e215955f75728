// Metadata of a cluster, and the offsets of its partitions.
//
// A cluster hides what this user may not see: topics that the user may not describe are absent, not
// refused. Callers that need all topics must know which ones to expect.
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

struct Broker {
  std::int32_t id = 0;
  std::string host;
  int port = 0;
};

struct Partition {
  std::int32_t id = 0;
  std::int32_t leader = -1;  // -1: none now; cannot be read or written
  std::vector<std::int32_t> replicas;
  std::vector<std::int32_t> in_sync;
  std::optional<Error> error;
};

struct Topic {
  std::string name;
  std::vector<Partition> partitions;  // sorted by id
  std::optional<Error> error;
};

struct Cluster {
  std::string id;
  // With a single bootstrap address: the broker that advertises it, if any. Otherwise the broker
  // that answered, which on a client's first call is the one at that address; -1 if not known.
  std::int32_t answering_broker = -1;
  std::vector<Broker> brokers;  // sorted by id
  std::vector<Topic> topics;    // sorted by name, with internal topics
};

Result<Cluster> DescribeCluster(Client& client, std::stop_token stop);

// Returns the ids as Kafka's tools show them, in the order of `topics`. A topic that is deleted and
// recreated gets another id. Empty for a topic that does not exist or may not be described, and
// with brokers before Kafka 2.8. kUnsupported unless Capabilities::topic_ids.
Result<std::vector<std::string>> ListTopicIds(Client& client, std::span<const std::string> topics,
                                              std::stop_token stop);

// Returns one outcome per name, in order; nullopt: the topic exists. Otherwise kNotFound; kDenied
// if this user may not describe a topic of that name, whether or not it exists; or kInvalidArgument
// for an invalid name. Never creates a topic, even if brokers do so for other clients. Sends one
// request per name.
Result<std::vector<std::optional<Error>>> LookUpTopics(Client& client,
                                                       std::span<const std::string> names,
                                                       std::stop_token stop);

// Offsets of one partition: low <= last_stable <= high. Records from last_stable on belong to open
// transactions or follow one. Readers do not see them yet.
struct Bounds {
  std::int64_t low = 0;          // of the first record, or of the next one if empty
  std::int64_t last_stable = 0;  // end of what can be read
  std::int64_t high = 0;         // of the next record
  std::optional<Error> error;    // of this partition; the offsets are invalid then
};

// Returns bounds in the order of `partitions`, which must be distinct. A failed partition does not
// affect the others.
Result<std::vector<Bounds>> ListBounds(Client& client, std::span<const TopicPartition> partitions,
                                       std::stop_token stop);

}  // namespace holdfast::rdkafka
