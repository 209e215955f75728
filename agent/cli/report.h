// Parts of reports that several verbs share, as text and as JSON (docs/json.md).
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "agent/jobs/backup/backup_job.h"
#include "common/cli/json_document.h"
#include "common/repository/snapshot/snapshot_info.h"
#include "common/stream/manifest.h"

namespace holdfast::cli {

// ---- Text. Results are safe to print on a terminal unless noted.

// The first 8 digits.
std::string ShortId(const std::string& id);
// The sum of all phases.
std::string Duration(const PhaseSeconds& phases);
// E.g. "revision 4711, raft_index 4800".
std::string Pairs(const std::map<std::string, std::string>& map);
// Appends a titled list of at most 20 lines to `text`. `lines` may be the first of `total`.
void AddLines(std::string& text, std::string_view title, const std::vector<std::string>& lines,
              std::uint64_t total);
void AddLines(std::string& text, std::string_view title, const std::vector<std::string>& lines);
void AddMissing(std::string& text, const std::vector<Missing>& missing);
// E.g. "etcd/main"; the paths for a snapshot that Holdfast did not make. Not escaped.
std::string SourceLabel(const repository::SnapshotInfo& snapshot);
// The tags that have no column. Not escaped.
std::string OtherTags(const repository::SnapshotInfo& snapshot);

// ---- JSON.

Json MissingList(const std::vector<Missing>& missing);
Json BackupTask(const jobs::BackupTaskReport& task);
Json SnapshotObject(const repository::SnapshotInfo& snapshot);
std::string_view NodeTypeName(NodeType type);
Json Time(const UnixTime& time);
}  // namespace holdfast::cli
