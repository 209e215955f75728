// Reads and writes JSON texts. Compiled once, here, because every source that instantiates
// nlohmann's parser or serializer takes seconds longer.
#pragma once

#include <nlohmann/json.hpp>

#include <string>
#include <string_view>

namespace holdfast {

// Keys are sorted, or stay in the order of the text. The result is discarded (is_discarded()) if
// `text` is malformed or nested more than 64 levels deep: decoders recurse, so depth is bounded.
nlohmann::json ParseJson(std::string_view text);
nlohmann::ordered_json ParseOrderedJson(std::string_view text);

// Bytes that are not UTF-8 are replaced. On one line, unless `indent` is the number of spaces per
// level.
std::string DumpJson(const nlohmann::json& json, int indent = -1);
std::string DumpJson(const nlohmann::ordered_json& json, int indent = -1);

}  // namespace holdfast
