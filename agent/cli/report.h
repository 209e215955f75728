// Parts that the reports of several verbs share: as text for people, and as JSON (docs/json.md).
#pragma once

#include <nlohmann/json.hpp>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/jobs/backup_job.h"
#include "agent/jobs/job_context.h"
#include "common/base/result.h"
#include "common/repository/snapshot_reader.h"
#include "common/stream/item.h"
#include "common/stream/manifest.h"

namespace holdfast::cli {

// ---- Text. Results are safe to print on a terminal unless noted.

// The first 8 digits.
std::string ShortId(const std::string& id);
// The sum of all phases.
std::string Duration(const PhaseSeconds& phases);
// "revision 4711, raft_index 4800".
std::string Pairs(const std::map<std::string, std::string>& map);
// Appends a titled list to `text`, at most 20 lines of it; `lines` may be the first of `total`.
void AddLines(std::string& text, std::string_view title, const std::vector<std::string>& lines,
              std::uint64_t total);
void AddLines(std::string& text, std::string_view title, const std::vector<std::string>& lines);
void AddMissing(std::string& text, const std::vector<Missing>& missing);
// "etcd/main"; the paths of a snapshot that Holdfast did not make. Not escaped.
std::string SourceLabel(const repository::SnapshotInfo& snapshot);
// The tags that have no column. Not escaped.
std::string OtherTags(const repository::SnapshotInfo& snapshot);
// "1 lock", "3 locks".
std::string Count(std::uint64_t count, std::string_view what);

// ---- JSON. Keeps the order in which keys are added.

using Json = nlohmann::ordered_json;

// The text of a document, indented; bytes that are not UTF-8 are replaced.
std::string Dump(const Json& document);
// The same in one line, without the newline.
std::string DumpLine(const Json& object);
// A document with the keys that all have.
Json Document(std::string_view verb, int exit_code);
Json OrNull(const std::string& text);
Json ErrorObject(const Error& error);
Json ErrorOrNull(const std::optional<Error>& error);
Json MissingList(const std::vector<Missing>& missing);
Json BackupTask(const jobs::BackupTaskReport& task);
Json SnapshotObject(const repository::SnapshotInfo& snapshot);
std::string_view NodeTypeName(NodeType type);
Json Time(const UnixTime& time);
// The document of a verb that failed before it had a result.
std::string ErrorJson(std::string_view verb, const Error& error, int exit_code);

// An empty map is {}, never null.
template <typename Map>
Json Object(const Map& map) {
  Json object = Json::object();
  for (const auto& [key, value] : map) object[key] = value;
  return object;
}
// An empty list is [], never null.
inline Json List(const std::vector<std::string>& list) {
  Json array = Json::array();
  for (const std::string& entry : list) array.push_back(entry);
  return array;
}

}  // namespace holdfast::cli
