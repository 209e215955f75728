// Which of librdkafka's properties an operator may give, and how.
//
// Only how to reach a cluster is his to say; what makes a backup whole is set by the room itself. A
// secret is never given as such: its property is `<name>_file`, a file with the text, white space
// around it dropped.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>

#include "common/base/result.h"

namespace holdfast::rdkafka {

// By name as librdkafka has them, but for those of secrets.
using Properties = std::map<std::string, std::string>;

enum class PropertyKind : std::uint8_t {
  kText,
  kPath,
  kSecretFile,  // named "<property>_file"
};

struct PropertySpec {
  std::string_view name;
  PropertyKind kind = PropertyKind::kText;
};

std::span<const PropertySpec> AllowedProperties();

// kInvalidArgument for a name that cannot be given, with the nearest that can, and for what would
// not do what it looks like: certificates or a password without a protocol that uses them, SASL
// without a mechanism or without what it needs. Values are checked when a client is opened.
Result<void> CheckProperties(const Properties& properties);

}  // namespace holdfast::rdkafka
