// How to reach a cluster, for clients, readers and writers.
#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/log.h"
#include "common/kafka/properties.h"

namespace holdfast::rdkafka {

struct ClientOptions {
  std::vector<std::string> bootstrap;  // "host:port" of any brokers; the others are discovered
  Properties properties;               // with absolute paths
  std::chrono::milliseconds time_limit{30'000};
};

// Receives each line that librdkafka logs, without the line end.
using LogObserver = std::function<void(LogLevel level, std::string_view line)>;

}  // namespace holdfast::rdkafka
