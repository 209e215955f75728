#include "common/base/json.h"

#include <algorithm>
#include <cstddef>

namespace holdfast {
namespace {

constexpr std::size_t kDepthMax = 64;

struct Extent {
  std::size_t depth = 0;   // deepest nesting
  std::size_t values = 1;  // values and keys; too many rather than too few
};

Extent ExtentOf(std::string_view text) {
  Extent extent;
  std::size_t depth = 0;
  bool is_string = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (is_string) {
      if (c == '\\') ++i;
      if (c == '"') is_string = false;
    } else if (c == '"') {
      is_string = true;
    } else if (c == '[' || c == '{') {
      extent.depth = std::max(extent.depth, ++depth);
      ++extent.values;
    } else if ((c == ']' || c == '}') && depth > 0) {
      --depth;
    } else if (c == ',' || c == ':') {
      ++extent.values;
    }
  }
  return extent;
}

template <typename Json>
Json Parse(std::string_view text) {
  if (ExtentOf(text).depth > kDepthMax) return Json(Json::value_t::discarded);
  return Json::parse(text, nullptr, /*allow_exceptions=*/false);
}

template <typename Json>
std::string Dump(const Json& json, int indent) {
  return json.dump(indent, ' ', false, Json::error_handler_t::replace);
}

}  // namespace

nlohmann::json ParseJson(std::string_view text) { return Parse<nlohmann::json>(text); }
nlohmann::ordered_json ParseOrderedJson(std::string_view text) {
  return Parse<nlohmann::ordered_json>(text);
}

std::size_t CountJsonValues(std::string_view text) { return ExtentOf(text).values; }

std::string DumpJson(const nlohmann::json& json, int indent) { return Dump(json, indent); }
std::string DumpJson(const nlohmann::ordered_json& json, int indent) { return Dump(json, indent); }

}  // namespace holdfast
