#include "agent/cli/report.h"

#include <algorithm>
#include <chrono>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/base/format.h"
#include "common/cli/table.h"
#include "common/cli/terminal.h"
#include "common/repository/snapshot/note_tag.h"

namespace holdfast::cli {
namespace {

constexpr std::size_t kListedMax = 20;  // of a list in text; --json has all

}  // namespace

std::string ShortId(const std::string& id) { return id.substr(0, 8); }

std::string Duration(const PhaseSeconds& phases) {
  double seconds = 0;
  for (const auto& [phase, taken] : phases) seconds += taken;
  return FormatDuration(
      std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::duration<double>(seconds)));
}

std::string Pairs(const std::map<std::string, std::string>& map) {
  return JoinTexts(map, [](const auto& pair) {
    return Printable(pair.first) + " " + Printable(ShortenTime(pair.second));
  });
}

void AddLines(std::string& text, std::string_view title, const std::vector<std::string>& lines,
              std::uint64_t total) {
  if (lines.empty()) return;
  text += fmt::format("  {}:\n", title);
  const std::size_t shown = std::min(lines.size(), kListedMax);
  for (std::size_t i = 0; i < shown; ++i) text += fmt::format("    {}\n", Printable(lines[i]));
  if (total > shown) {
    text += fmt::format("    and {} more (--json has all)\n", FormatCount(total - shown));
  }
}

void AddLines(std::string& text, std::string_view title, const std::vector<std::string>& lines) {
  AddLines(text, title, lines, lines.size());
}

void AddMissing(std::string& text, const std::vector<Missing>& missing) {
  std::vector<std::string> lines;
  for (const Missing& entry : missing) {
    std::string line = entry.what + ": " + entry.reason;
    if (!entry.remedy.empty()) line += " (hint: " + entry.remedy + ")";
    lines.push_back(std::move(line));
  }
  AddLines(text, "missing", lines);
}

std::string SourceLabel(const repository::SnapshotInfo& snapshot) {
  if (!snapshot.kind.empty()) return snapshot.kind + "/" + snapshot.name;
  return JoinTexts(snapshot.paths);
}

std::string OtherTags(const repository::SnapshotInfo& snapshot) {
  std::string text;
  for (const std::string& tag : snapshot.tags) {
    if (tag.starts_with("run:") || tag.starts_with("kind:")) continue;
    if (repository::DecodeNoteTag(tag)) continue;
    text += (text.empty() ? "" : ", ") + tag;
  }
  // Earlier builds saved safety snapshots without this tag.
  if (snapshot.is_safety && text.find(repository::kSafetyTag) == std::string::npos) {
    text += fmt::format("{}{}", text.empty() ? "" : ", ", repository::kSafetyTag);
  }
  return text;
}

Json MissingList(const std::vector<Missing>& missing) {
  Json list = Json::array();
  for (const Missing& entry : missing) {
    list.push_back(
        {{"what", entry.what}, {"reason", entry.reason}, {"remedy", OrNull(entry.remedy)}});
  }
  return list;
}

Json BackupTask(const jobs::BackupTaskReport& task) {
  return {
      {"kind", task.kind},
      {"name", task.name},
      {"repository", task.repository},
      {"state", jobs::TaskOutcomeName(task.state)},
      {"snapshot", OrNull(task.snapshot)},
      {"parent", OrNull(task.parent)},
      {"position", Object(task.manifest.position)},
      {"endpoint", OrNull(task.manifest.endpoint)},
      {"identity", Object(task.manifest.identity)},
      {"consistency", OrNull(task.manifest.consistency)},
      {"items", task.counts.items},
      {"files", task.counts.files},
      {"bytes", task.counts.bytes},
      {"bytes_read", task.bytes_read},
      {"bytes_added", task.counts.bytes_added},
      {"bytes_stored", task.counts.bytes_stored},
      {"blobs_mended", task.blobs_repaired},
      {"seconds", Object(task.seconds)},
      {"warnings", List(task.warnings)},
      {"missing", MissingList(task.manifest.missing)},
      {"invalid", List(task.manifest.invalid)},
      {"recovered", OrNull(task.recovered)},
      {"error", ErrorOrNull(task.error)},
  };
}

Json SnapshotObject(const repository::SnapshotInfo& snapshot) {
  return {
      {"id", snapshot.id.Hex()},
      {"time", FormatTime(snapshot.time.seconds, snapshot.time.nanoseconds)},
      {"kind", OrNull(snapshot.kind)},
      {"name", OrNull(snapshot.name)},
      {"host", snapshot.host},
      {"run", OrNull(snapshot.run)},
      {"cluster", OrNull(snapshot.cluster)},
      {"partial", snapshot.is_partial},
      {"invalid", snapshot.is_invalid},
      {"safety", snapshot.is_safety},
      {"parent", snapshot.parent ? Json(snapshot.parent->Hex()) : Json(nullptr)},
      {"paths", List(snapshot.paths)},
      {"tags", List(snapshot.tags)},
      {"user", snapshot.user},
      {"program_version", OrNull(snapshot.program_version)},
      {"files", snapshot.files},
      {"bytes", snapshot.bytes_processed},
      {"bytes_added", snapshot.bytes_added},
      {"bytes_stored", snapshot.bytes_stored},
      {"note", OrNull(snapshot.note)},
  };
}

std::string_view NodeTypeName(NodeType type) {
  switch (type) {
    case NodeType::kFile:
      return "file";
    case NodeType::kDirectory:
      return "directory";
    case NodeType::kSymlink:
      return "symlink";
    case NodeType::kBlockDevice:
      return "block device";
    case NodeType::kCharDevice:
      return "character device";
    case NodeType::kFifo:
      return "fifo";
    case NodeType::kSocket:
      return "socket";
  }
  return "";
}

Json Time(const UnixTime& time) { return FormatTime(time.seconds, time.nanoseconds); }

}  // namespace holdfast::cli
