// Parses and writes JSON. Use these functions instead of json::parse() and dump(): each source that
// instantiates those takes seconds longer to compile.
#pragma once

#include <nlohmann/json.hpp>

#include <cstddef>
#include <string>
#include <string_view>

namespace holdfast {

// ParseJson() sorts keys; ParseOrderedJson() keeps their order. The result is discarded
// (is_discarded()) if `text` is malformed or nested more than 64 levels deep: decoders recurse, so
// the depth is bounded.
nlohmann::json ParseJson(std::string_view text);
nlohmann::ordered_json ParseOrderedJson(std::string_view text);

// An upper bound for the number of values in `text`, without parsing it. Parsing untrusted text can
// take 100 bytes of memory per value.
std::size_t CountJsonValues(std::string_view text);

// Replaces invalid UTF-8 by U+FFFD. Writes one line if `indent` is -1, otherwise `indent` spaces
// per level.
std::string DumpJson(const nlohmann::json& json, int indent = -1);
std::string DumpJson(const nlohmann::ordered_json& json, int indent = -1);

}  // namespace holdfast
