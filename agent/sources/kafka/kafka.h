// Kafka 2.8 and newer, with KRaft or ZooKeeper: committed records of all topics in Kafka's own log
// format, and the state of the cluster and its brokers (docs/sources/kafka.md).
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "agent/sources/source.h"
#include "common/kafka/client.h"

namespace holdfast {

namespace kafka {

// Opens a source that saves only these topics of `cluster`. REQUIRES: no name is a shell pattern.
std::unique_ptr<Source> OpenTopics(const SourceContext& context,
                                   const rdkafka::ClientOptions& cluster,
                                   const std::vector<std::string>& topics);

}  // namespace kafka

SourceKind KafkaKind();

}  // namespace holdfast
