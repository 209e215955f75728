// What a cluster is made of, and where its partitions begin and end.
//
// A cluster says nothing of what this user may not see: topics it may not describe are absent, not
// refused. Whoever needs all of them has to know what should be there.
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
  std::int32_t leader = -1;  // -1: none now, so that it can be neither read nor written
  std::vector<std::int32_t> replicas;
  std::vector<std::int32_t> in_sync;
  std::optional<Error> error;
};

struct Topic {
  std::string name;
  std::vector<Partition> partitions;  // by id
  std::optional<Error> error;
};

struct Cluster {
  std::string id;
  // With a single bootstrap address: the broker that listens there, if it advertises this address.
  // Else whoever answered, which in a client's first call is the same; -1 where it is not known.
  std::int32_t answering_broker = -1;
  std::vector<Broker> brokers;  // by id
  std::vector<Topic> topics;    // by name; internal ones, too
};

Result<Cluster> DescribeCluster(Client& client, std::stop_token stop);

// The ids of topics as Kafka's tools show them, in their order: a topic that was deleted and made
// again has another one. Empty for one that is not there or may not be described, and of brokers
// before Kafka 2.8.
// kUnsupported unless Capabilities::topic_ids.
Result<std::vector<std::string>> ListTopicIds(Client& client, std::span<const std::string> topics,
                                              std::stop_token stop);

// What the cluster says of each name, in their order; nullopt: there is such a topic. Else
// kNotFound, or kDenied where this user may not describe a topic of that name, whether or not there
// is one, or kInvalidArgument for what can be no topic's name. Makes none of them, whatever brokers
// do for others who ask so. One request for each.
Result<std::vector<std::optional<Error>>> LookUpTopics(Client& client,
                                                       std::span<const std::string> names,
                                                       std::stop_token stop);

// Offsets of one partition: low <= last_stable <= high. Records from last_stable on belong to
// transactions that are open, or stand behind one: readers see none of them yet.
struct Bounds {
  std::int64_t low = 0;          // the first that is there, or will be written next
  std::int64_t last_stable = 0;  // where reading ends
  std::int64_t high = 0;         // where writing goes on
  std::optional<Error> error;    // of this partition; the offsets say nothing then
};

// In the order of `partitions`, which name each at most once. Partitions that fail do not keep the
// others from being answered.
Result<std::vector<Bounds>> ListBounds(Client& client, std::span<const TopicPartition> partitions,
                                       std::stop_token stop);

struct OffsetForTime {
  std::optional<std::int64_t> offset;  // nullopt: none is that young
  std::optional<Error> error;
};

// The first record, or mark at the end of a transaction, that is not older, in the order of the
// partitions. REQUIRES: timestamp_ms >= 0.
Result<std::vector<OffsetForTime>> ListOffsetsForTime(Client& client,
                                                      std::span<const TopicPartition> partitions,
                                                      std::int64_t timestamp_ms,
                                                      std::stop_token stop);

}  // namespace holdfast::rdkafka
