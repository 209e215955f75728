// Java properties files (java.util.Properties), the configuration format of many Java servers.
//
// The server's user writes them, so they are untrusted input.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "common/base/result.h"

namespace holdfast {

// The last value of a repeated name counts.
using JavaProperties = std::map<std::string, std::string>;
// kCorrupt for a malformed Unicode escape.
Result<JavaProperties> ParseProperties(std::string_view text);

// Empty if there is no such property.
std::string PropertyOf(const JavaProperties& properties, const std::string& name);

}  // namespace holdfast
