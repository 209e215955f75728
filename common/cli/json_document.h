// JSON documents of the programs: the keys that all documents have, and how they are printed
// (docs/json.md). Keys keep the order in which they are added.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "common/base/json.h"
#include "common/base/result.h"

namespace holdfast::cli {

using Json = nlohmann::ordered_json;

// The text of a document, indented; bytes that are not UTF-8 are replaced.
std::string Dump(const Json& document);
// The same on one line, without the newline.
std::string DumpLine(const Json& object);
// A document with the keys that all documents have.
Json Document(std::string_view verb, int exit_code);
Json OrNull(const std::string& text);
Json ErrorObject(const Error& error);
Json ErrorOrNull(const std::optional<Error>& error);
// The document of a verb that failed before it had anything to report.
std::string ErrorJson(std::string_view verb, const Error& error, int exit_code);

// An empty list is [], never null.
template <typename Texts>
Json List(const Texts& texts) {
  Json list = Json::array();
  for (const auto& text : texts) list.push_back(text);
  return list;
}

// By ascending key, because Protobuf's maps have no order. An empty map is {}, never null.
template <typename Map>
Json Object(const Map& map) {
  std::map<std::string, Json> sorted;
  for (const auto& [key, value] : map) sorted[key] = value;
  Json object = Json::object();
  for (const auto& [key, value] : sorted) object[key] = value;
  return object;
}

}  // namespace holdfast::cli
