// Kafka 2.8 and newer, with KRaft or ZooKeeper: committed records of every topic in Kafka's own log
// format, and what is around them. docs/sources/kafka.md.
#pragma once

#include "agent/sources/source.h"

namespace holdfast {

SourceKind KafkaKind();

}  // namespace holdfast
