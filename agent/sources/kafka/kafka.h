// Kafka 2.8 and newer, with KRaft or ZooKeeper: committed records of every topic in Kafka's own log
// format, and what is around them. docs/sources/kafka.md.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "agent/sources/source.h"
#include "common/kafka/client.h"

namespace holdfast {

namespace kafka {

// A source of these topics of `cluster` and of nothing else. None of the names is a pattern.
std::unique_ptr<Source> OpenTopics(const SourceContext& context,
                                   const rdkafka::ClientOptions& cluster,
                                   const std::vector<std::string>& topics);

}  // namespace kafka

SourceKind KafkaKind();

}  // namespace holdfast
