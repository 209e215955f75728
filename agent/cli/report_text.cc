#include "agent/cli/report_text.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <chrono>

#include "agent/settings/s3_options.h"
#include "common/base/format.h"
#include "common/cli/table.h"
#include "common/cli/terminal.h"

namespace holdfast::cli {
namespace {

constexpr std::size_t kListedMax = 20;  // lines of one list; --json has all of them

std::string ShortId(const std::string& id) { return id.substr(0, 8); }

std::string Duration(const PhaseSeconds& phases) {
  double seconds = 0;
  for (const auto& [phase, taken] : phases) seconds += taken;
  return FormatDuration(
      std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::duration<double>(seconds)));
}

// "revision 4711, raft_index 4800".
std::string Pairs(const std::map<std::string, std::string>& map) {
  std::string text;
  for (const auto& [key, value] : map) {
    text += (text.empty() ? "" : ", ") + Printable(key) + " " + Printable(value);
  }
  return text;
}

// `lines` may be the first of `total`.
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

// What a table cannot hold of one saved source.
std::string BackupDetails(const jobs::BackupTaskReport& task) {
  std::string text;
  if (!task.recovered.empty()) AddLines(text, "recovered", {task.recovered});
  if (!task.manifest.position.empty()) {
    std::string where = Pairs(task.manifest.position);
    if (!task.manifest.endpoint.empty()) where += " at " + Printable(task.manifest.endpoint);
    text += fmt::format("  position: {}\n", where);
  }
  AddLines(text, "invalid", task.manifest.invalid);
  AddMissing(text, task.manifest.missing);
  AddLines(text, "warnings", task.warnings);
  if (!text.empty()) text = fmt::format("\n{}\n{}", task.label(), text);
  return text;
}

std::string SourceLabel(const repository::SnapshotInfo& snapshot) {
  if (!snapshot.kind.empty()) return snapshot.kind + "/" + snapshot.name;
  std::string paths;
  for (const std::string& path : snapshot.paths) paths += (paths.empty() ? "" : ", ") + path;
  return paths;
}

// The tags that have no column of their own.
std::string OtherTags(const repository::SnapshotInfo& snapshot) {
  std::string text;
  for (const std::string& tag : snapshot.tags) {
    if (tag.starts_with("run:") || tag.starts_with("kind:")) continue;
    text += (text.empty() ? "" : ", ") + tag;
  }
  // Builds that knew no tag for it saved safety snapshots as well.
  if (snapshot.is_safety && text.find(repository::kSafetyTag) == std::string::npos) {
    text += fmt::format("{}{}", text.empty() ? "" : ", ", repository::kSafetyTag);
  }
  return text;
}

// "1 lock", "3 locks".
std::string Count(std::uint64_t count, std::string_view what) {
  return fmt::format("{} {}{}", FormatCount(count), what, count == 1 ? "" : "s");
}

// "drwxr-xr-x", as ls(1) shows it.
std::string ModeText(const Attributes& attributes) {
  constexpr std::string_view kTypes = "-dlbcps";  // in the order of NodeType
  std::string text(1, kTypes.at(static_cast<std::size_t>(attributes.type)));
  for (unsigned bit = 9; bit-- > 0;) {
    const bool is_set = (attributes.mode >> bit & 1U) != 0;
    text += is_set ? "xwr"[bit % 3] : '-';
  }
  const auto special = [&](std::uint32_t bit, std::size_t at, char with, char without) {
    if ((attributes.mode & bit) != 0) text[at] = text[at] == 'x' ? with : without;
  };
  special(04000, 3, 's', 'S');
  special(02000, 6, 's', 'S');
  special(01000, 9, 't', 'T');
  return text;
}

// A scalar as YAML reads it back: JSON's form of a string always is.
std::string YamlText(const std::string& text) {
  return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::string YamlList(const std::vector<std::string>& list) {
  std::string text;
  for (const std::string& entry : list) text += (text.empty() ? "" : ", ") + YamlText(entry);
  return "[" + text + "]";
}

std::string YamlOption(const config::Values& values, const config::OptionSpec& spec) {
  switch (spec.type) {
    case config::OptionType::kString:
    case config::OptionType::kPath:
      return YamlText(values.Text(spec.name));
    case config::OptionType::kInteger:
      return fmt::format("{}", values.Integer(spec.name));
    case config::OptionType::kBool:
      return values.Flag(spec.name) ? "true" : "false";
    case config::OptionType::kStringList:
    case config::OptionType::kPathList:
      return YamlList(values.List(spec.name));
    case config::OptionType::kMap: {
      std::string text;
      for (const auto& [key, value] : values.Map(spec.name)) {
        text += (text.empty() ? "" : ", ") + YamlText(key) + ": " + YamlText(value);
      }
      return "{" + text + "}";
    }
    case config::OptionType::kListMap: {
      std::string text;
      for (const auto& [key, list] : values.ListMap(spec.name)) {
        text += (text.empty() ? "" : ", ") + YamlText(key) + ": " + YamlList(list);
      }
      return "{" + text + "}";
    }
  }
  return "null";
}

// ": 12 items (3 as they were), 4 KiB; 1 removed"; empty where there is nothing to tell.
std::string PlanText(const std::vector<PlannedChange>& plan, Screen screen) {
  if (plan.empty()) return "";
  Rows rows;
  for (const PlannedChange& change : plan) {
    rows.push_back({change.what, Printable(change.name), Printable(change.target),
                    FormatCount(change.parts), FormatCount(change.items), FormatBytes(change.bytes),
                    Printable(change.there), Printable(change.action)});
  }
  return FormatTable({{.title = "WHAT"},
                      {.title = "NAME", .is_flexible = true},
                      {.title = "TO", .is_flexible = true, .drop_rank = 2},
                      {.title = "PARTS", .is_right = true, .drop_rank = 6},
                      {.title = "ITEMS", .is_right = true, .drop_rank = 5},
                      {.title = "SIZE", .is_right = true, .drop_rank = 4},
                      {.title = "THERE NOW", .is_flexible = true, .drop_rank = 3},
                      {.title = "WOULD BE", .is_flexible = true, .drop_rank = 1}},
                     rows, screen);
}

std::string RestoreCounts(const jobs::RestoreReport& report) {
  std::string text;
  if (report.items > 0) text = fmt::format(": {} items", FormatCount(report.items));
  if (report.unchanged > 0) {
    text += fmt::format(" ({} as they were)", FormatCount(report.unchanged));
  }
  if (report.items > 0) text += ", " + FormatBytes(report.bytes);
  if (report.skipped > 0) {
    text += fmt::format("; {} not replaced", FormatCount(report.skipped));
  }
  if (report.removed > 0) text += fmt::format("; {} removed", FormatCount(report.removed));
  return text;
}

}  // namespace

std::string InitText(const jobs::InitReport& report) {
  std::string text = fmt::format("made repository {} at {}\n", Printable(report.repository),
                                 Printable(report.url));
  if (report.password_made) {
    text += fmt::format(
        "made its password: {}\n"
        "Keep a copy of this file somewhere else: without it nobody can read the repository.\n",
        Printable(report.password_file));
  }
  for (const std::string& warning : report.warnings) text += "warning: " + warning + "\n";
  return text;
}

std::string DiscoveryText(const jobs::DiscoveryReport& report, const std::string& config,
                          Screen screen) {
  Rows rows;
  std::string lines;
  std::string details;
  for (const jobs::FoundService& service : report.services) {
    const std::string label = service.kind + "/" + service.name;
    rows.push_back({label, std::to_string(service.process), service.user,
                    service.unit.empty() ? "-" : service.unit,
                    service.is_configured ? "yes" : "no"});
    if (!service.is_configured) lines += fmt::format("  {}\n", Printable(service.line));
    std::string text;
    for (const auto& [name, value] : service.facts)
      text += fmt::format("  {}: {}\n", name, Printable(value));
    AddLines(text, "notes", service.notes);
    if (!text.empty()) details += fmt::format("\n{}\n{}", label, text);
  }
  const std::string looked =
      fmt::format("{} processes looked at", FormatCount(report.sweep.processes));
  std::string text;
  if (rows.empty()) {
    text =
        fmt::format("no service that can be saved by a kind of its own runs here ({})\n", looked);
  } else {
    text = FormatTable({{.title = "SOURCE", .is_flexible = true},
                        {.title = "PROCESS", .is_right = true, .drop_rank = 2},
                        {.title = "USER", .is_flexible = true, .drop_rank = 3},
                        {.title = "UNIT", .is_flexible = true, .drop_rank = 4},
                        {.title = "CONFIGURED", .drop_rank = 1}},
                       rows, screen);
    text += fmt::format("\n{}\n", looked);
  }
  std::vector<std::string> unseen;
  for (const host::UnseenProcess& process : report.sweep.unseen)
    unseen.push_back(fmt::format("{} of {}: {}", process.pid, process.user, process.reason));
  AddLines(text, "could not be looked at", unseen, report.sweep.unseen_count);
  AddLines(text, "warnings", report.sweep.warnings);
  if (!lines.empty())
    text += fmt::format("\nto save what is not, below \"sources:\" in {}:\n\n{}", Printable(config),
                        lines);
  return text + details;
}

std::string ProbeText(const std::vector<jobs::ProbeReport>& reports, Screen screen) {
  Rows rows;
  std::string details;
  for (const jobs::ProbeReport& report : reports) {
    std::string label = report.kind + "/" + report.name;
    auto version = report.info.identity.find("server_version");
    if (version == report.info.identity.end()) version = report.info.identity.find("version");
    rows.push_back({label, report.repository, std::string(TopologyName(report.topology)),
                    version == report.info.identity.end() ? "-" : version->second,
                    StateCell(report.error          ? "unknown"
                              : report.info.healthy ? "healthy"
                                                    : "not healthy"),
                    report.error ? report.error->message() : report.info.health});
    std::string text;
    if (!report.info.identity.empty()) {
      text += fmt::format("  identity: {}\n", Pairs(report.info.identity));
    }
    std::vector<std::string> members;
    for (const auto& member : report.info.members) members.push_back(Pairs(member));
    AddLines(text, "members", members);
    AddLines(text, "would save", report.info.would_save);
    AddMissing(text, report.info.missing);
    AddLines(text, "warnings", report.info.warnings);
    if (report.error && !report.error->hint().empty()) {
      text += fmt::format("  hint: {}\n", Printable(report.error->hint()));
    }
    if (report.unfinished_restore) {
      text += fmt::format(
          "  a restore of snapshot {} was interrupted (run {}); the next backup or restore of "
          "this source finishes or undoes it\n",
          ShortId(report.unfinished_restore->snapshot), report.unfinished_restore->run);
    }
    if (report.journal_error) {
      text += fmt::format("  {}\n", Printable(report.journal_error->Text()));
    }
    if (!text.empty()) details += fmt::format("\n{}\n{}", label, text);
  }
  std::string table = FormatTable({{.title = "SOURCE", .is_flexible = true},
                                   {.title = "REPOSITORY", .is_flexible = true, .drop_rank = 3},
                                   {.title = "TOPOLOGY", .drop_rank = 5},
                                   {.title = "VERSION", .is_flexible = true, .drop_rank = 4},
                                   {.title = "HEALTH", .drop_rank = 1},
                                   {.title = "STATE", .is_flexible = true, .drop_rank = 2}},
                                  rows, screen);
  return table + details;
}

std::string BackupText(const jobs::BackupReport& report, Screen screen) {
  Rows rows;
  std::string details;
  for (const jobs::BackupTaskReport& task : report.tasks) {
    bool has_snapshot = !task.snapshot.empty();
    rows.push_back({task.label(), StateCell(jobs::TaskStateName(task.state)),
                    has_snapshot ? ShortId(task.snapshot) : "-",
                    has_snapshot ? FormatCount(task.items) : "-",
                    has_snapshot ? FormatBytes(task.bytes) : "-",
                    has_snapshot ? FormatBytes(task.bytes_read) : "-",
                    has_snapshot ? FormatBytes(task.bytes_added) : "-",
                    has_snapshot ? FormatBytes(task.bytes_stored) : "-", Duration(task.seconds)});
    details += BackupDetails(task);
  }
  std::string table = FormatTable({{.title = "SOURCE", .is_flexible = true},
                                   {.title = "STATE", .drop_rank = 1},
                                   {.title = "SNAPSHOT", .drop_rank = 2},
                                   {.title = "ITEMS", .is_right = true, .drop_rank = 5},
                                   {.title = "SIZE", .is_right = true, .drop_rank = 4},
                                   {.title = "READ", .is_right = true, .drop_rank = 7},
                                   {.title = "ADDED", .is_right = true, .drop_rank = 6},
                                   {.title = "STORED", .is_right = true, .drop_rank = 8},
                                   {.title = "TIME", .is_right = true, .drop_rank = 3}},
                                  rows, screen);
  return table + details;
}

std::string ListText(const std::vector<jobs::RepositoryListing>& listings, Screen screen) {
  bool several = listings.size() > 1;
  Rows rows;
  for (const jobs::RepositoryListing& listing : listings) {
    for (const repository::SnapshotInfo& snapshot : listing.snapshots) {
      bool has_summary = snapshot.files > 0 || snapshot.bytes_processed > 0;
      std::vector<Cell> row = {
          ShortId(snapshot.id.Hex()),
          FormatTime(snapshot.time.seconds, 0),
          SourceLabel(snapshot),
          snapshot.host,
          has_summary ? FormatCount(snapshot.files) : "-",
          has_summary ? FormatBytes(snapshot.bytes_processed) : "-",
          StateCell(OtherTags(snapshot)),
      };
      if (several) row.insert(row.begin(), listing.repository);
      rows.push_back(std::move(row));
    }
  }
  if (rows.empty()) {
    bool all_known =
        std::ranges::all_of(listings, [](const auto& listing) { return !listing.error; });
    return all_known ? "no snapshots\n" : "";
  }
  std::vector<Column> columns = {{.title = "ID"},
                                 {.title = "TIME", .drop_rank = 1},
                                 {.title = "SOURCE", .is_flexible = true},
                                 {.title = "HOST", .is_flexible = true, .drop_rank = 3},
                                 {.title = "FILES", .is_right = true, .drop_rank = 5},
                                 {.title = "SIZE", .is_right = true, .drop_rank = 4},
                                 {.title = "TAGS", .is_flexible = true, .drop_rank = 2}};
  if (several)
    columns.insert(columns.begin(),
                   Column{.title = "REPOSITORY", .is_flexible = true, .drop_rank = 2});
  return FormatTable(columns, rows, screen);
}

std::string ForgetText(const jobs::ForgetReport& report, Screen screen) {
  std::string text;
  std::size_t kept = 0;
  for (const jobs::ForgetReport::Group& group : report.groups) {
    Rows rows;
    for (const repository::RetentionVerdict& verdict : group.verdicts) {
      if (verdict.keep) ++kept;
      const repository::SnapshotInfo& snapshot = *verdict.snapshot;
      rows.push_back({verdict.keep ? "keep" : "forget", ShortId(snapshot.id.Hex()),
                      FormatTime(snapshot.time.seconds, 0), SourceLabel(snapshot), snapshot.host,
                      fmt::format("{}", fmt::join(verdict.reasons, ", "))});
    }
    if (rows.empty()) continue;
    text += FormatTable({{.title = ""},
                         {.title = "ID"},
                         {.title = "TIME", .drop_rank = 2},
                         {.title = "SOURCE", .is_flexible = true},
                         {.title = "HOST", .is_flexible = true, .drop_rank = 3},
                         {.title = "WHY", .is_flexible = true, .drop_rank = 1}},
                        rows, screen);
    text += "\n";
  }
  if (!report.safety.empty()) {
    const auto stay = static_cast<std::size_t>(
        std::ranges::count(report.safety, true, &repository::RetentionVerdict::keep));
    text +=
        fmt::format("safety snapshots: {} kept, {} {}forgotten\n", FormatCount(stay),
                    FormatCount(report.safety.size() - stay), report.dry_run ? "would be " : "");
    kept += stay;
  }
  text += fmt::format("{}: {} {}forgotten, {} kept\n", Printable(report.repository),
                      Count(report.forgotten, "snapshot"), report.dry_run ? "would be " : "", kept);
  if (report.kept_by_floor > 0) {
    text += fmt::format("  {} of these for being among the newest good ones of a source alone\n",
                        report.kept_by_floor);
  }
  if (report.forgotten > 0 && !report.dry_run)
    text += "  what only they needed stays until the next `repository prune`\n";
  return text;
}

std::string LockListText(const jobs::LockListReport& report, Screen screen) {
  if (report.locks.empty()) return "no locks\n";
  Rows rows;
  for (const jobs::LockListReport::Entry& entry : report.locks) {
    const repository::LockInfo& lock = entry.lock;
    rows.push_back({ShortId(lock.id.Hex()), FormatTime(lock.time.seconds, 0),
                    lock.exclusive ? "exclusive" : "shared", lock.host, lock.user,
                    fmt::format("{}", lock.pid), StateCell(entry.is_stale ? "stale" : "held")});
  }
  return FormatTable({{.title = "ID"},
                      {.title = "TIME", .drop_rank = 3},
                      {.title = "KIND", .drop_rank = 4},
                      {.title = "HOST", .is_flexible = true, .drop_rank = 2},
                      {.title = "USER", .is_flexible = true, .drop_rank = 6},
                      {.title = "PID", .is_right = true, .drop_rank = 5},
                      {.title = "STATE", .drop_rank = 1}},
                     rows, screen);
}

std::string UnlockText(const jobs::UnlockReport& report) {
  std::string text =
      fmt::format("{}: {} removed", Printable(report.repository), Count(report.removed, "lock"));
  if (report.left > 0) text += fmt::format(", {} left that somebody holds", report.left);
  return text + "\n";
}

std::string KeyListText(const jobs::KeyListReport& report, Screen screen) {
  Rows rows;
  for (const repository::KeyInfo& key : report.keys) {
    const bool has_time = key.created != WallTime();
    rows.push_back({ShortId(key.id.Hex()), has_time ? FormatTime(key.created) : "-", key.user,
                    key.host, key.is_in_use ? "in use" : ""});
  }
  return FormatTable({{.title = "ID"},
                      {.title = "MADE", .drop_rank = 1},
                      {.title = "USER", .is_flexible = true, .drop_rank = 2},
                      {.title = "HOST", .is_flexible = true, .drop_rank = 3},
                      {.title = ""}},
                     rows, screen);
}

std::string KeyChangeText(const jobs::KeyChangeReport& report) {
  std::string text;
  const std::string label = Printable(report.repository);
  if (!report.added.IsZero()) {
    text += fmt::format("{}: added key {}\n", label, ShortId(report.added.Hex()));
  }
  if (!report.removed.IsZero()) {
    text += fmt::format("{}: removed key {}: its password opens nothing any more\n", label,
                        ShortId(report.removed.Hex()));
  }
  if (report.password_file.empty()) return text;
  text += fmt::format("  {} password: {}\n", report.password_made ? "its new random" : "its",
                      Printable(report.password_file));
  if (!report.added.IsZero() && !report.removed.IsZero()) {
    text +=
        "  Give this file to the other nodes that use the repository, and keep a copy somewhere "
        "else.\n";
  }
  return text;
}

std::string InfoText(const jobs::InfoReport& report) {
  std::string text = fmt::format("{} at {}\n  id: {}\n  format: restic, version {}\n",
                                 Printable(report.repository), Printable(report.url),
                                 Printable(report.config.id), report.config.version);
  for (const auto& [kind, files] : report.files) {
    text += fmt::format("  {}: {}, {}\n", FileKindName(kind), Count(files.count, "file"),
                        FormatBytes(files.bytes));
  }
  if (report.oldest && report.newest) {
    text += fmt::format("  snapshots from {} to {}\n", FormatTime(report.oldest->seconds, 0),
                        FormatTime(report.newest->seconds, 0));
  }
  AddLines(text, "warnings", report.warnings);
  return text;
}

std::string StatsText(const jobs::StatsReport& report) {
  const repository::TreeStats& stats = report.stats;
  std::string text = fmt::format("{}: {} of {}: {}", Printable(report.repository),
                                 repository::StatsModeName(report.mode),
                                 Count(stats.snapshots, "snapshot"), FormatBytes(stats.bytes));
  if (report.mode != repository::StatsMode::kRawData) {
    const bool is_all = report.mode == repository::StatsMode::kRestoreSize;
    text += fmt::format(", {} {}", FormatCount(stats.entries),
                        is_all ? "files and directories" : "files");
  }
  if (stats.blobs > 0) text += ", " + Count(stats.blobs, "blob");
  if (stats.bytes_stored > 0) {
    text += fmt::format(", {} stored ({:.2f} to 1)", FormatBytes(stats.bytes_stored),
                        static_cast<double>(stats.bytes) / static_cast<double>(stats.bytes_stored));
  }
  text += "\n";
  AddLines(text, "warnings", report.warnings);
  return text;
}

std::string LsEntryText(const jobs::ListedEntry& entry) {
  const Attributes& attributes = entry.node.attributes;
  const auto name_or_number = [](const std::string& name, std::uint32_t number) {
    return name.empty() ? fmt::format("{}", number) : Printable(name);
  };
  std::string text =
      fmt::format("{} {:>8} {:>8} {:>12} {} {}", ModeText(attributes),
                  name_or_number(attributes.user, attributes.uid),
                  name_or_number(attributes.group, attributes.gid), FormatCount(attributes.size),
                  FormatTime(attributes.mtime.seconds, 0), Printable(entry.path));
  if (attributes.type == NodeType::kDirectory) text += "/";
  if (attributes.type == NodeType::kSymlink) text += " -> " + Printable(attributes.link_target);
  return text;
}

std::string FindEntryText(const jobs::FoundEntry& entry) {
  const std::string path = entry.path.empty() ? "/" : entry.path;
  return fmt::format("{}  {}  {}  {}", ShortId(entry.snapshot.id.Hex()),
                     FormatTime(entry.snapshot.time.seconds, 0),
                     Printable(SourceLabel(entry.snapshot)), Printable(path));
}

std::string FindText(const jobs::FindReport& report) {
  if (report.matches > 0) return "";
  return fmt::format("nothing found in {}\n", Count(report.snapshots, "snapshot"));
}

std::string ChangeText(const repository::TreeChange& change) {
  return fmt::format("{:<3} {}", change.change, Printable(change.path));
}

std::string DiffText(const jobs::SnapshotDiff& diff) {
  const repository::DiffCounts& added = diff.counts.added;
  const repository::DiffCounts& removed = diff.counts.removed;
  const auto line = [](std::string_view what, std::uint64_t more, std::uint64_t less) {
    return fmt::format("  {:<12} {:>10} new {:>10} removed", what, FormatCount(more),
                       FormatCount(less));
  };
  std::string text =
      fmt::format("{} to {}:\n", ShortId(diff.first.id.Hex()), ShortId(diff.second.id.Hex()));
  text += line("files", added.files, removed.files);
  text += fmt::format(" {:>10} changed\n", FormatCount(diff.counts.changed_files));
  text += line("directories", added.directories, removed.directories) + "\n";
  text += line("others", added.others, removed.others) + "\n";
  text += line("data blobs", added.data_blobs, removed.data_blobs) + "\n";
  text += line("tree blobs", added.tree_blobs, removed.tree_blobs) + "\n";
  text += fmt::format("  {:<12} {:>10} new {:>10} removed\n", "bytes", FormatBytes(added.bytes),
                      FormatBytes(removed.bytes));
  return text;
}

std::string DumpText(const jobs::DumpReport& report, const std::string& file) {
  return fmt::format("wrote {} of snapshot {} to {}: {}, {}\n",
                     report.is_archive ? "an archive" : "a file", ShortId(report.snapshot.id.Hex()),
                     Printable(file), Count(report.items, "item"), FormatBytes(report.bytes));
}

std::string RepairIndexText(const jobs::RepairIndexReport& report) {
  const repository::IndexRepairReport& index = report.index;
  std::string text = fmt::format(
      "{}: {}", Printable(report.repository),
      index.changed_anything() ? "the index was repaired" : "the index is right as it is");
  text += fmt::format(
      ": {} in it, {} of them new, {} gone; {} written, {} removed\n", Count(index.packs, "pack"),
      FormatCount(index.packs_added), FormatCount(index.packs_dropped),
      Count(index.index_files_written, "index file"), FormatCount(index.index_files_removed));
  AddLines(text, "damage", index.damage);
  if (index.changed_anything()) text += "  next: holdfast-agent check --read-data\n";
  return text;
}

std::string RepairPacksText(const jobs::RepairPacksReport& report) {
  const repository::PackRepairReport& packs = report.packs;
  std::string text = fmt::format("{}: {} removed; {} in {} saved to new packs, {} lost\n",
                                 Printable(report.repository), Count(packs.packs_removed, "pack"),
                                 FormatBytes(packs.bytes_saved), Count(packs.blobs_saved, "blob"),
                                 FormatCount(packs.blobs_lost));
  AddLines(text, "damage", packs.index.damage);
  if (packs.blobs_lost > 0) {
    text +=
        "`backup --rehash` stores again what the sources still have of them; then `check`\n"
        "names the snapshots that stay damaged.\n";
  }
  return text;
}

std::string PruneText(const jobs::PruneReport& report) {
  const repository::PruneReport& prune = report.prune;
  const char* would = report.dry_run ? "would be " : "";
  std::string text =
      fmt::format("{}: {} need {} in {}; {} in {} are needed by none\n",
                  Printable(report.repository), Count(prune.snapshots, "snapshot"),
                  FormatBytes(prune.bytes_needed), Count(prune.blobs_needed, "blob"),
                  FormatBytes(prune.bytes_unneeded), Count(prune.blobs_unneeded, "blob"));
  if (report.safety_forgotten > 0) {
    text += fmt::format("  {} {}forgotten first\n",
                        Count(report.safety_forgotten, "expired safety snapshot"), would);
  }
  text += fmt::format("  {}{} of {} copied to new packs\n", would,
                      FormatBytes(prune.bytes_repacked), Count(prune.packs_repacked, "pack"));
  text += fmt::format("  {}{} removed, {} freed; {} of no use stay in {}\n", would,
                      Count(prune.packs_removed, "pack"), FormatBytes(prune.bytes_freed),
                      FormatBytes(prune.bytes_left_unneeded), Count(prune.packs_kept, "pack"));
  if (prune.leftover_files > 0) {
    text += fmt::format("  {}{} removed that a killed writer left, {}\n", would,
                        Count(prune.leftover_files, "unfinished file"),
                        FormatBytes(prune.leftover_bytes));
  }
  return text;
}

std::string ExtractChangeText(const ExtractChange& change) {
  return fmt::format("{} {}{}", change.change, Printable(change.path),
                     change.is_directory ? "/" : "");
}

std::string CopyText(const jobs::CopyJobReport& report) {
  using State = repository::SnapshotCopy::State;
  const repository::CopyReport& copy = report.copy;
  std::string text;
  for (const repository::SnapshotCopy& snapshot : copy.snapshots) {
    if (snapshot.state != State::kCopied) continue;
    text += fmt::format("{}  {}  is {} there\n", snapshot.snapshot.id.Hex().substr(0, 8),
                        FormatTime(snapshot.snapshot.time.seconds, 0),
                        snapshot.copy->Hex().substr(0, 8));
  }
  const std::size_t done = report.CountOf(report.dry_run ? State::kLeft : State::kCopied);
  text += fmt::format("{} {}copied from {} to {}, {} there already\n", Count(done, "snapshot"),
                      report.dry_run ? "would be " : "", Printable(report.repository),
                      Printable(report.to), report.CountOf(State::kPresent));
  if (const std::size_t failed = report.CountOf(State::kFailed); failed > 0) {
    text += fmt::format("{} not copied: something of them is lost\n", Count(failed, "snapshot"));
  }
  if (report.dry_run) {
    return text + fmt::format("  {} in {} would be read\n", FormatBytes(copy.bytes_read),
                              Count(copy.data_blobs, "blob"));
  }
  return text + fmt::format("  {} in {} new there, {} stored\n", FormatBytes(copy.bytes_added),
                            Count(copy.data_blobs + copy.tree_blobs, "blob"),
                            FormatBytes(copy.bytes_stored));
}

std::string ExportText(const jobs::ExportJobReport& report) {
  std::string text = fmt::format("exported snapshot {} to {}: {} items, {} in {}\n",
                                 report.snapshot.id.Hex().substr(0, 8), Printable(report.file),
                                 FormatCount(report.counts.items), FormatBytes(report.counts.bytes),
                                 FormatBytes(report.counts.bytes_written));
  AddLines(text, "warnings", report.warnings);
  return text + "The file is NOT encrypted: who has it has all that it holds.\n";
}

std::string ImportText(const jobs::ImportJobReport& report) {
  const repository::ImportReport& counts = report.counts;
  const std::string id = counts.copy.Hex().substr(0, 8);
  if (counts.was_present) {
    return fmt::format("{} is there already, as snapshot {} of {}\n", Printable(report.file), id,
                       Printable(report.repository));
  }
  return fmt::format("imported {} as snapshot {} of {}: {} items, {}; {} stored\n",
                     Printable(report.file), id, Printable(report.repository),
                     FormatCount(counts.items), FormatBytes(counts.bytes),
                     FormatBytes(counts.bytes_stored));
}

std::string RestoreText(const jobs::RestoreReport& report, Screen screen) {
  std::string text;
  if (!report.recovered.empty()) AddLines(text, "recovered first", {report.recovered});
  if (report.safety_snapshot && !report.safety_snapshot->snapshot.empty()) {
    text += fmt::format("  safety snapshot of the state before: {}\n",
                        ShortId(report.safety_snapshot->snapshot));
  }
  AddLines(text, "changed", report.changes);
  AddLines(text, "warnings", report.warnings);
  if (report.rolled_back) text += "  all is as it was before\n";
  std::string source =
      report.kind.empty() ? "" : fmt::format(" of {}/{}", report.kind, report.name);
  std::string what =
      report.directory.empty() ? "in place" : fmt::format("to {}", Printable(report.directory));
  if (!report.lines.empty() || !report.plan.empty()) what = "as asked";
  const std::string counts = RestoreCounts(report);
  const bool is_partly_done = report.state == jobs::TaskState::kPartlyDone;
  if (report.error && !is_partly_done) {
    if (text.empty()) return "";
    return fmt::format("restore of snapshot {}{} failed\n{}", ShortId(report.snapshot),
                       Printable(source), text);
  }
  std::string head = fmt::format("{} snapshot {}{} {}{} in {}\n",
                                 report.dry_run   ? "would restore"
                                 : is_partly_done ? "restored part of"
                                 : report.resumed ? "went on and restored"
                                                  : "restored",
                                 ShortId(report.snapshot), Printable(source), what, counts,
                                 Duration(report.seconds));
  for (const std::string& line : report.lines) text += Printable(line) + "\n";
  return head + PlanText(report.plan, screen) + text;
}

std::string CheckText(const std::vector<jobs::CheckTaskReport>& reports) {
  std::string text;
  for (const jobs::CheckTaskReport& report : reports) {
    std::string label = Printable(report.repository.empty() ? report.url : report.repository);
    const repository::CheckReport& check = report.check;
    if (report.error) {
      text += fmt::format("{}: not checked\n", label);
      AddLines(text, "errors", check.errors, check.findings);
      continue;
    }
    text +=
        fmt::format("{}: {}: {}, {}, {}, {} {}, {} read, {}\n", label,
                    check.findings == 0 ? "sound" : "not sound", Count(check.snapshots, "snapshot"),
                    Count(check.packs, "pack"), Count(check.blobs, "blob"),
                    FormatCount(check.trees), check.trees == 1 ? "directory" : "directories",
                    FormatBytes(check.bytes_read), Duration({{"", report.seconds}}));
    if (check.packs_bad > 0) {
      text += fmt::format("  {} damaged or missing, and {} in them\n",
                          Count(check.packs_bad, "pack"), Count(check.blobs_bad, "blob"));
    }
    if (check.entries_affected > 0) {
      text += fmt::format(
          "  {} {} what is lost: {} in them\n", Count(check.snapshots_affected, "snapshot"),
          check.snapshots_affected == 1 ? "needs" : "need", Count(check.entries_affected, "path"));
    }
    if (check.packs_unreferenced > 0) {
      text += fmt::format("  {} packs of interrupted runs are not referred to; harmless\n",
                          FormatCount(check.packs_unreferenced));
    }
    if (check.packs_read > 0 && check.packs_read < check.packs) {
      text += fmt::format("  {} of {} were read\n", FormatCount(check.packs_read),
                          Count(check.packs, "pack"));
    }
    AddLines(text, "errors", check.errors, check.findings);
    AddLines(text, "hints", check.hints);
    AddLines(text, "warnings", report.warnings);
  }
  return text;
}

std::string JoinText(const agent::JoinReport& report) {
  return fmt::format(
      "node {} is in cluster {}, incarnation {}\n"
      "  controller: {}\n"
      "  its keys: {}\n"
      "next: systemctl enable --now holdfast-agent holdfast-restore.path\n",
      report.node, report.cluster, report.incarnation, report.endpoint, report.directory);
}

std::string ConfigCheckText(const Settings& settings) {
  auto count = [](std::size_t n, std::string_view what, std::string_view plural) {
    return fmt::format("{} {}", n, n == 1 ? what : plural);
  };
  std::string text = fmt::format("{}: right: node {}, {}, {}\n", settings.file, settings.node,
                                 count(settings.repositories.size(), "repository", "repositories"),
                                 count(settings.sources.size(), "source", "sources"));
  for (const std::string& warning : settings.warnings) text += "warning: " + warning + "\n";
  return text;
}

std::string ConfigShowText(const Settings& settings, const KindSchemas& kinds) {
  std::string text =
      fmt::format("# {}\nnode: {}\n", Printable(settings.file), YamlText(settings.node));
  if (!settings.cluster.empty()) text += fmt::format("cluster: {}\n", YamlText(settings.cluster));
  text += fmt::format("state_dir: {}\n", YamlText(settings.state_dir));
  if (settings.controller) {
    text += fmt::format("controller:\n  endpoint: {}\n  key_file: {}\n",
                        YamlText(settings.controller->endpoint),
                        YamlText(settings.controller->key_file));
  }
  text += fmt::format("limits:\n  tasks: {}\n  readers: {}\n  read_mib_s: {}\n  write_mib_s: {}\n",
                      settings.limits.tasks, settings.limits.readers, settings.limits.read_mib_s,
                      settings.limits.write_mib_s);
  text += settings.repositories.empty() ? "repositories: {}\n" : "repositories:\n";
  for (const RepositorySettings& repository : settings.repositories) {
    text += fmt::format(
        "  {}:\n    url: {}\n    password_file: {}\n    compression: {}\n    extra_verify: {}\n"
        "    min_keep: {}\n    read_mib_s: {}\n    write_mib_s: {}\n",
        YamlText(repository.name), YamlText(repository.url), YamlText(repository.password_file),
        repository.compression, repository.extra_verify, repository.min_keep, repository.read_mib_s,
        repository.write_mib_s);
    for (const config::OptionSpec& spec : S3Options()) {
      if (!repository.values.Has(spec.name)) continue;
      text += fmt::format("    {}: {}\n", spec.name, YamlOption(repository.values, spec));
    }
  }
  text += settings.sources.empty() ? "sources: []\n" : "sources:\n";
  for (const SourceSettings& source : settings.sources) {
    text += fmt::format("  - kind: {}\n    name: {}\n    repository: {}\n", source.kind,
                        YamlText(source.name), YamlText(source.repository));
    if (source.read_mib_s > 0) text += fmt::format("    read_mib_s: {}\n", source.read_mib_s);
    if (source.readers > 0) text += fmt::format("    readers: {}\n", source.readers);
    if (!source.compression.empty()) {
      text += fmt::format("    compression: {}\n", source.compression);
    }
    for (const config::OptionSpec& spec : kinds.find(source.kind)->second.options) {
      if (!source.values.Has(spec.name)) continue;
      text += fmt::format("    {}: {}\n", spec.name, YamlOption(source.values, spec));
    }
  }
  return text;
}

}  // namespace holdfast::cli
