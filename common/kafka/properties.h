// The librdkafka properties that an operator may set, and how.
//
// Operators only set how to reach a cluster; the room itself sets what makes a backup complete.
// Secrets are never given as plain text: the property `<name>_file` names a file with the secret.
// White space around it is dropped.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>

#include "common/base/result.h"

namespace holdfast::rdkafka {

// Keyed by librdkafka's names, except for secrets.
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

// kInvalidArgument for a property that cannot be set, with the most similar one as a hint, and for
// properties without effect: certificates or a password without a protocol that uses them, SASL
// without a mechanism or what it needs. Values are checked when a client is opened.
Result<void> CheckProperties(const Properties& properties);

// The property's value; empty if it is not set.
std::string ValueOf(const Properties& properties, const std::string& name);

// Whether the loaded librdkafka knows the property.
bool IsKnownProperty(const std::string& name);

}  // namespace holdfast::rdkafka
