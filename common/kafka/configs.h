// Configuration that brokers store for topics, brokers and consumer groups.
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

enum class ConfigScope : std::uint8_t {
  kTopic,
  kBroker,  // named by its id, e.g. "1"
  kGroup,
};

struct ConfigOwner {
  ConfigScope scope = ConfigScope::kTopic;
  std::string name;
  auto operator<=>(const ConfigOwner&) const = default;
};

// Where a value comes from; the numbers are Kafka's. kTopic, kBroker and kGroup: the owner itself
// sets it. All other sources are inherited, including numbers without a name here.
enum class ConfigSource : std::uint8_t {
  kUnknown = 0,
  kTopic = 1,
  kBroker = 2,
  kAllBrokers = 3,  // cluster-wide default, set at run time
  kFile = 4,        // the broker's properties file
  kDefault = 5,     // built in
  kGroup = 8,
};

struct ConfigEntry {
  std::string name;
  std::optional<std::string> value;  // nullopt: none, or hidden because it is sensitive
  ConfigSource source = ConfigSource::kUnknown;
  bool is_sensitive = false;
};

struct OwnerConfigs {
  ConfigOwner owner;
  std::vector<ConfigEntry> entries;  // sorted by name
  std::optional<Error> error;        // of this owner, e.g. kDenied
};

// In the order of `owners`, which must be distinct.
Result<std::vector<OwnerConfigs>> DescribeConfigs(Client& client,
                                                  std::span<const ConfigOwner> owners,
                                                  std::stop_token stop);

struct ConfigSet {
  ConfigOwner owner;
  std::vector<std::pair<std::string, std::string>> entries;
};

// Sets exactly `entries` for each owner and resets everything else. Returns one outcome per owner,
// in order.
Result<std::vector<std::optional<Error>>> ReplaceConfigs(Client& client,
                                                         std::span<const ConfigSet> sets,
                                                         std::stop_token stop);

}  // namespace holdfast::rdkafka
