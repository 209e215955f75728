#include "agent/cli/report_json.h"

#include <nlohmann/json.hpp>

#include "agent/settings/s3_options.h"
#include "common/base/format.h"
#include "common/cli/exit_code.h"

namespace holdfast::cli {
namespace {

// Keeps the order in which fields are added, which is the order people read them in.
using Json = nlohmann::ordered_json;

constexpr int kFormatVersion = 1;

std::string Dump(const Json& document) {
  return document.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

Json Document(std::string_view verb, int exit_code) {
  return {{"format_version", kFormatVersion}, {"verb", verb}, {"exit_code", exit_code}};
}

Json OrNull(const std::string& text) { return text.empty() ? Json(nullptr) : Json(text); }

Json ErrorObject(const Error& error) {
  return {{"code", ErrorCodeName(error.code())},
          {"message", error.message()},
          {"hint", OrNull(error.hint())}};
}

Json ErrorOrNull(const std::optional<Error>& error) {
  return error ? ErrorObject(*error) : Json(nullptr);
}

Json MissingList(const std::vector<Missing>& missing) {
  Json list = Json::array();
  for (const Missing& entry : missing) {
    list.push_back(
        {{"what", entry.what}, {"reason", entry.reason}, {"remedy", OrNull(entry.remedy)}});
  }
  return list;
}

// Maps and lists of strings; an empty one is {} or [], never null.
template <typename Map>
Json Object(const Map& map) {
  Json object = Json::object();
  for (const auto& [key, value] : map) object[key] = value;
  return object;
}
Json List(const std::vector<std::string>& list) {
  Json array = Json::array();
  for (const std::string& entry : list) array.push_back(entry);
  return array;
}
Json Members(const std::vector<std::map<std::string, std::string>>& members) {
  Json array = Json::array();
  for (const auto& member : members) array.push_back(Object(member));
  return array;
}

Json BackupTask(const jobs::BackupTaskReport& task) {
  return {
      {"kind", task.kind},
      {"name", task.name},
      {"repository", task.repository},
      {"state", jobs::TaskStateName(task.state)},
      {"snapshot", OrNull(task.snapshot)},
      {"parent", OrNull(task.parent)},
      {"position", Object(task.manifest.position)},
      {"endpoint", OrNull(task.manifest.endpoint)},
      {"identity", Object(task.manifest.identity)},
      {"consistency", OrNull(task.manifest.consistency)},
      {"items", task.items},
      {"bytes", task.bytes},
      {"bytes_read", task.bytes_read},
      {"bytes_added", task.bytes_added},
      {"bytes_stored", task.bytes_stored},
      {"blobs_mended", task.blobs_mended},
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
  };
}

std::string_view CopyStateName(repository::SnapshotCopy::State state) {
  switch (state) {
    case repository::SnapshotCopy::State::kCopied:
      return "copied";
    case repository::SnapshotCopy::State::kPresent:
      return "present";
    case repository::SnapshotCopy::State::kFailed:
      return "failed";
    case repository::SnapshotCopy::State::kLeft:
      return "left";
  }
  return "";
}

// One line.
std::string DumpLine(const Json& object) {
  return object.dump(-1, ' ', false, Json::error_handler_t::replace);
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

Json DiffSide(const repository::DiffCounts& counts) {
  return {{"files", counts.files},           {"directories", counts.directories},
          {"others", counts.others},         {"data_blobs", counts.data_blobs},
          {"tree_blobs", counts.tree_blobs}, {"bytes", counts.bytes}};
}

Json OptionJson(const config::Values& values, const config::OptionSpec& spec) {
  switch (spec.type) {
    case config::OptionType::kString:
    case config::OptionType::kPath:
      return values.Text(spec.name);
    case config::OptionType::kInteger:
      return values.Integer(spec.name);
    case config::OptionType::kBool:
      return values.Flag(spec.name);
    case config::OptionType::kStringList:
    case config::OptionType::kPathList:
      return List(values.List(spec.name));
    case config::OptionType::kMap:
      return Object(values.Map(spec.name));
    case config::OptionType::kListMap:
      return Object(values.ListMap(spec.name));
  }
  return nullptr;
}

}  // namespace

std::string InitJson(const jobs::InitReport& report) {
  Json document = Document("repository init", 0);
  document["repository"] = report.repository;
  document["url"] = report.url;
  document["id"] = report.id;
  document["password_file"] = report.password_file;
  document["password_made"] = report.password_made;
  document["warnings"] = List(report.warnings);
  return Dump(document);
}

std::string JoinJson(const agent::JoinReport& report) {
  Json document = Document("join", 0);
  document["node"] = report.node;
  document["cluster"] = report.cluster;
  document["cluster_id"] = report.cluster_id;
  document["incarnation"] = report.incarnation;
  document["endpoint"] = report.endpoint;
  document["directory"] = report.directory;
  return Dump(document);
}

std::string DiscoveryJson(const jobs::DiscoveryReport& report) {
  Json document = Document("source list", 0);
  document["services"] = Json::array();
  for (const jobs::FoundService& service : report.services) {
    document["services"].push_back({{"kind", service.kind},
                                    {"name", service.name},
                                    {"configured", service.is_configured},
                                    {"process", service.process},
                                    {"user", service.user},
                                    {"unit", OrNull(service.unit)},
                                    {"facts", Object(service.facts)},
                                    {"line", service.line},
                                    {"notes", List(service.notes)}});
  }
  document["processes"] = report.sweep.processes;
  document["unseen"] = Json::array();
  for (const host::UnseenProcess& process : report.sweep.unseen)
    document["unseen"].push_back(
        {{"process", process.pid}, {"user", process.user}, {"reason", process.reason}});
  document["unseen_count"] = report.sweep.unseen_count;
  document["warnings"] = List(report.sweep.warnings);
  return Dump(document);
}

std::string ProbeJson(const std::vector<jobs::ProbeReport>& reports, int exit_code) {
  Json document = Document("source list", exit_code);
  document["sources"] = Json::array();
  for (const jobs::ProbeReport& report : reports) {
    Json unfinished = nullptr;
    if (report.unfinished_restore) {
      unfinished = {{"run", report.unfinished_restore->run},
                    {"snapshot", report.unfinished_restore->snapshot},
                    {"begin", FormatTime(report.unfinished_restore->begin)}};
    }
    document["sources"].push_back({
        {"kind", report.kind},
        {"name", report.name},
        {"repository", report.repository},
        {"topology", TopologyName(report.topology)},
        {"healthy", !report.error && report.info.healthy},
        {"health", OrNull(report.info.health)},
        {"identity", Object(report.info.identity)},
        {"members", Members(report.info.members)},
        {"would_save", List(report.info.would_save)},
        {"missing", MissingList(report.info.missing)},
        {"warnings", List(report.info.warnings)},
        {"unfinished_restore", std::move(unfinished)},
        {"error", ErrorOrNull(report.error ? report.error : report.journal_error)},
    });
  }
  return Dump(document);
}

std::string BackupJson(const jobs::BackupReport& report, int exit_code) {
  Json document = Document("backup", exit_code);
  document["run"] = report.run;
  document["begin"] = FormatTime(report.begin);
  document["end"] = FormatTime(report.end);
  document["sources"] = Json::array();
  for (const jobs::BackupTaskReport& task : report.tasks) {
    document["sources"].push_back(BackupTask(task));
  }
  return Dump(document);
}

std::string ListJson(const std::vector<jobs::RepositoryListing>& listings, int exit_code) {
  Json document = Document("list", exit_code);
  document["repositories"] = Json::array();
  for (const jobs::RepositoryListing& listing : listings) {
    Json snapshots = Json::array();
    for (const repository::SnapshotInfo& snapshot : listing.snapshots) {
      snapshots.push_back(SnapshotObject(snapshot));
    }
    document["repositories"].push_back({{"repository", listing.repository},
                                        {"snapshots", std::move(snapshots)},
                                        {"error", ErrorOrNull(listing.error)}});
  }
  return Dump(document);
}

std::string ForgetJson(const jobs::ForgetReport& report, int exit_code) {
  Json document = Document("repository forget", exit_code);
  document["repository"] = report.repository;
  document["dry_run"] = report.dry_run;
  document["forgotten"] = report.forgotten;
  document["kept_by_floor"] = report.kept_by_floor;
  document["groups"] = Json::array();
  for (const jobs::ForgetReport::Group& group : report.groups) {
    Json keep = Json::array();
    Json forget = Json::array();
    for (const repository::RetentionVerdict& verdict : group.verdicts) {
      Json snapshot = SnapshotObject(*verdict.snapshot);
      if (verdict.keep) snapshot["reasons"] = List(verdict.reasons);
      (verdict.keep ? keep : forget).push_back(std::move(snapshot));
    }
    document["groups"].push_back({{"host", OrNull(group.host)},
                                  {"paths", List(group.paths)},
                                  {"tags", List(group.tags)},
                                  {"keep", std::move(keep)},
                                  {"forget", std::move(forget)}});
  }
  document["safety"] = Json::array();
  for (const repository::RetentionVerdict& verdict : report.safety) {
    Json snapshot = SnapshotObject(*verdict.snapshot);
    snapshot["keep"] = verdict.keep;
    snapshot["reasons"] = List(verdict.reasons);
    document["safety"].push_back(std::move(snapshot));
  }
  document["error"] = ErrorOrNull(report.error);
  return Dump(document);
}

std::string LockListJson(const jobs::LockListReport& report) {
  Json document = Document("repository lock list", 0);
  document["repository"] = report.repository;
  document["locks"] = Json::array();
  for (const jobs::LockListReport::Entry& entry : report.locks) {
    const repository::LockInfo& lock = entry.lock;
    document["locks"].push_back({{"id", lock.id.Hex()},
                                 {"time", FormatTime(lock.time.seconds, lock.time.nanoseconds)},
                                 {"exclusive", lock.exclusive},
                                 {"host", lock.host},
                                 {"user", lock.user},
                                 {"pid", lock.pid},
                                 {"stale", entry.is_stale}});
  }
  return Dump(document);
}

std::string UnlockJson(const jobs::UnlockReport& report) {
  Json document = Document("repository unlock", 0);
  document["repository"] = report.repository;
  document["removed"] = report.removed;
  document["left"] = report.left;
  return Dump(document);
}

std::string KeyListJson(const jobs::KeyListReport& report) {
  Json document = Document("repository key list", 0);
  document["repository"] = report.repository;
  document["keys"] = Json::array();
  for (const repository::KeyInfo& key : report.keys) {
    const bool has_time = key.created != WallTime();
    document["keys"].push_back({{"id", key.id.Hex()},
                                {"created", has_time ? Json(FormatTime(key.created)) : Json()},
                                {"user", OrNull(key.user)},
                                {"host", OrNull(key.host)},
                                {"in_use", key.is_in_use}});
  }
  return Dump(document);
}

std::string KeyChangeJson(const jobs::KeyChangeReport& report, std::string_view verb) {
  Json document = Document(verb, 0);
  document["repository"] = report.repository;
  document["added"] = report.added.IsZero() ? Json() : Json(report.added.Hex());
  document["removed"] = report.removed.IsZero() ? Json() : Json(report.removed.Hex());
  document["password_file"] = OrNull(report.password_file);
  document["password_made"] = report.password_made;
  return Dump(document);
}

std::string InfoJson(const jobs::InfoReport& report) {
  Json document = Document("repository info", 0);
  document["repository"] = report.repository;
  document["url"] = report.url;
  document["id"] = report.config.id;
  document["version"] = report.config.version;
  document["key"] = report.key.Hex();
  document["files"] = Json::object();
  for (const auto& [kind, files] : report.files) {
    document["files"][std::string(FileKindName(kind))] = {{"count", files.count},
                                                          {"bytes", files.bytes}};
  }
  document["oldest"] = report.oldest ? Time(*report.oldest) : Json();
  document["newest"] = report.newest ? Time(*report.newest) : Json();
  document["warnings"] = List(report.warnings);
  return Dump(document);
}

std::string StatsJson(const jobs::StatsReport& report) {
  using repository::StatsMode;
  const bool is_raw = report.mode == StatsMode::kRawData;
  const bool has_blobs = is_raw || report.mode == StatsMode::kBlobsPerFile;
  Json document = Document("repository stats", 0);
  document["repository"] = report.repository;
  document["mode"] = repository::StatsModeName(report.mode);
  document["snapshots"] = report.stats.snapshots;
  document["entries"] = is_raw ? Json() : Json(report.stats.entries);
  document["blobs"] = has_blobs ? Json(report.stats.blobs) : Json();
  document["bytes"] = report.stats.bytes;
  document["bytes_stored"] = is_raw ? Json(report.stats.bytes_stored) : Json();
  document["warnings"] = List(report.warnings);
  return Dump(document);
}

std::string LsEntryJson(const jobs::ListedEntry& entry) {
  const Attributes& attributes = entry.node.attributes;
  const bool is_file = attributes.type == NodeType::kFile;
  return DumpLine({{"path", entry.path},
                   {"type", NodeTypeName(attributes.type)},
                   {"mode", fmt::format("{:04o}", attributes.mode & 07777)},
                   {"uid", attributes.uid},
                   {"gid", attributes.gid},
                   {"user", OrNull(attributes.user)},
                   {"group", OrNull(attributes.group)},
                   {"size", is_file ? Json(attributes.size) : Json()},
                   {"mtime", Time(attributes.mtime)},
                   {"link_target", OrNull(attributes.link_target)}});
}

std::string LsJson(const std::string& repository, const repository::SnapshotInfo& snapshot) {
  Json document = Document("repository ls", 0);
  document["repository"] = repository;
  document["snapshot"] = SnapshotObject(snapshot);
  document["error"] = nullptr;
  return Dump(document);
}

std::string FindEntryJson(const jobs::FoundEntry& entry) {
  const Attributes& attributes = entry.node.attributes;
  const bool is_file = attributes.type == NodeType::kFile;
  return DumpLine({{"snapshot", entry.snapshot.id.Hex()},
                   {"time", Time(entry.snapshot.time)},
                   {"path", entry.path},
                   {"type", NodeTypeName(attributes.type)},
                   {"size", is_file ? Json(attributes.size) : Json()}});
}

std::string FindJson(const std::string& repository, const jobs::FindReport& report) {
  Json document = Document("repository find", 0);
  document["repository"] = repository;
  document["snapshots"] = report.snapshots;
  document["error"] = nullptr;
  return Dump(document);
}

std::string ChangeJson(const repository::TreeChange& change) {
  return DumpLine({{"path", change.path}, {"change", change.change}});
}

std::string DiffJson(const std::string& repository, const jobs::SnapshotDiff& diff) {
  Json document = Document("repository diff", 0);
  document["repository"] = repository;
  document["first"] = SnapshotObject(diff.first);
  document["second"] = SnapshotObject(diff.second);
  document["changed_files"] = diff.counts.changed_files;
  document["added"] = DiffSide(diff.counts.added);
  document["removed"] = DiffSide(diff.counts.removed);
  document["error"] = nullptr;
  return Dump(document);
}

std::string DumpJson(const std::string& repository, const jobs::DumpReport& report,
                     const std::string& file) {
  Json document = Document("repository dump", 0);
  document["repository"] = repository;
  document["snapshot"] = SnapshotObject(report.snapshot);
  document["file"] = file;
  document["archive"] = report.is_archive;
  document["items"] = report.items;
  document["bytes"] = report.bytes;
  return Dump(document);
}

std::string RepairIndexJson(const jobs::RepairIndexReport& report, int exit_code) {
  const repository::IndexRepairReport& index = report.index;
  Json document = Document("repository repair index", exit_code);
  document["repository"] = report.repository;
  document["packs"] = index.packs;
  document["packs_read"] = index.packs_read;
  document["packs_added"] = index.packs_added;
  document["packs_dropped"] = index.packs_dropped;
  document["index_files_written"] = index.index_files_written;
  document["index_files_removed"] = index.index_files_removed;
  document["damage"] = List(index.damage);
  return Dump(document);
}

std::string RepairPacksJson(const jobs::RepairPacksReport& report, int exit_code) {
  const repository::PackRepairReport& packs = report.packs;
  Json document = Document("repository repair packs", exit_code);
  document["repository"] = report.repository;
  document["packs_removed"] = packs.packs_removed;
  document["blobs_saved"] = packs.blobs_saved;
  document["bytes_saved"] = packs.bytes_saved;
  document["blobs_lost"] = packs.blobs_lost;
  document["index_files_written"] = packs.index.index_files_written;
  document["index_files_removed"] = packs.index.index_files_removed;
  document["damage"] = List(packs.index.damage);
  return Dump(document);
}

std::string PruneJson(const jobs::PruneReport& report) {
  const repository::PruneReport& prune = report.prune;
  Json document = Document("repository prune", kExitDone);
  document["repository"] = report.repository;
  document["dry_run"] = report.dry_run;
  document["safety_forgotten"] = report.safety_forgotten;
  document["snapshots"] = prune.snapshots;
  document["blobs_needed"] = prune.blobs_needed;
  document["bytes_needed"] = prune.bytes_needed;
  document["blobs_unneeded"] = prune.blobs_unneeded;
  document["bytes_unneeded"] = prune.bytes_unneeded;
  document["bytes_left_unneeded"] = prune.bytes_left_unneeded;
  document["packs_kept"] = prune.packs_kept;
  document["packs_repacked"] = prune.packs_repacked;
  document["bytes_repacked"] = prune.bytes_repacked;
  document["packs_removed"] = prune.packs_removed;
  document["packs_unindexed"] = prune.packs_unindexed;
  document["bytes_freed"] = prune.bytes_freed;
  document["leftover_files"] = prune.leftover_files;
  document["leftover_bytes"] = prune.leftover_bytes;
  document["index_files_written"] = prune.index_files_written;
  document["index_files_removed"] = prune.index_files_removed;
  return Dump(document);
}

std::string CopyJson(const jobs::CopyJobReport& report, int exit_code) {
  Json document = Document("repository copy", exit_code);
  document["repository"] = report.repository;
  document["to"] = report.to;
  document["dry_run"] = report.dry_run;
  document["snapshots"] = Json::array();
  for (const repository::SnapshotCopy& copy : report.copy.snapshots) {
    Json entry = SnapshotObject(copy.snapshot);
    entry["state"] = CopyStateName(copy.state);
    entry["copy"] = copy.copy ? Json(copy.copy->Hex()) : Json(nullptr);
    entry["error"] = ErrorOrNull(copy.error);
    document["snapshots"].push_back(std::move(entry));
  }
  document["data_blobs"] = report.copy.data_blobs;
  document["tree_blobs"] = report.copy.tree_blobs;
  document["bytes_read"] = report.copy.bytes_read;
  document["bytes_added"] = report.copy.bytes_added;
  document["bytes_stored"] = report.copy.bytes_stored;
  document["error"] = ErrorOrNull(report.copy.error);
  return Dump(document);
}

std::string RestoreJson(const jobs::RestoreReport& report, int exit_code) {
  Json document = Document("restore", exit_code);
  document["run"] = report.run;
  document["state"] = jobs::TaskStateName(report.state);
  document["repository"] = OrNull(report.repository);
  document["snapshot"] = OrNull(report.snapshot);
  document["kind"] = OrNull(report.kind);
  document["name"] = OrNull(report.name);
  document["directory"] = OrNull(report.directory);
  document["dry_run"] = report.dry_run;
  document["resumed"] = report.resumed;
  document["items"] = report.items;
  document["unchanged"] = report.unchanged;
  document["skipped"] = report.skipped;
  document["removed"] = report.removed;
  document["bytes"] = report.bytes;
  document["seconds"] = Object(report.seconds);
  document["warnings"] = List(report.warnings);
  document["changes"] = List(report.changes);
  document["lines"] = List(report.lines);
  document["plan"] = Json::array();
  for (const PlannedChange& change : report.plan) {
    document["plan"].push_back({{"what", change.what},
                                {"name", change.name},
                                {"target", change.target},
                                {"parts", change.parts},
                                {"items", change.items},
                                {"bytes", change.bytes},
                                {"there", change.there},
                                {"action", change.action}});
  }
  document["safety_snapshot"] =
      report.safety_snapshot ? BackupTask(*report.safety_snapshot) : Json(nullptr);
  document["rolled_back"] = report.rolled_back;
  document["recovered"] = OrNull(report.recovered);
  document["error"] = ErrorOrNull(report.error);
  return Dump(document);
}

std::string ExtractChangeJson(const ExtractChange& change) {
  return DumpLine({{"path", fmt::format("{}{}", change.path, change.is_directory ? "/" : "")},
                   {"change", std::string(1, change.change)}});
}

std::string ExportJson(const jobs::ExportJobReport& report) {
  Json document = Document("export", 0);
  document["repository"] = report.repository;
  document["snapshot"] = SnapshotObject(report.snapshot);
  document["file"] = report.file;
  document["encrypted"] = false;
  document["items"] = report.counts.items;
  document["bytes"] = report.counts.bytes;
  document["bytes_written"] = report.counts.bytes_written;
  document["warnings"] = List(report.warnings);
  return Dump(document);
}

std::string ImportJson(const jobs::ImportJobReport& report) {
  Json document = Document("import", 0);
  document["repository"] = report.repository;
  document["file"] = report.file;
  document["snapshot"] = report.counts.copy.Hex();
  document["present"] = report.counts.was_present;
  document["original"] = SnapshotObject(report.counts.snapshot);
  document["items"] = report.counts.items;
  document["bytes"] = report.counts.bytes;
  document["bytes_added"] = report.counts.bytes_added;
  document["bytes_stored"] = report.counts.bytes_stored;
  return Dump(document);
}

std::string CheckFindingJson(const std::string& repository, const std::string& url,
                             const repository::CheckFinding& finding) {
  using Kind = repository::CheckFinding::Kind;
  const auto id_of = [&](Kind kind) {
    return finding.kind == kind && finding.id ? Json(finding.id->Hex()) : Json(nullptr);
  };
  Json entry = {{"repository", OrNull(repository)},
                {"url", url},
                {"kind", repository::CheckKindName(finding.kind)},
                {"state", repository::CheckStateName(finding.state)},
                {"key", id_of(Kind::kKey)},
                {"index", id_of(Kind::kIndex)},
                {"pack", id_of(Kind::kPack)},
                {"blob", id_of(Kind::kBlob)},
                {"snapshot", id_of(Kind::kSnapshot)},
                {"path", nullptr},
                {"blobs", Json::array()},
                {"message", finding.message},
                {"remedy", OrNull(finding.remedy)}};
  if (finding.snapshot) {
    entry["snapshot"] = finding.snapshot->Hex();
    entry["path"] = finding.path;
  }
  for (const repository::CheckFinding::Blob& blob : finding.blobs) {
    Json packs = Json::array();
    for (const repository::Id& pack : blob.packs) packs.push_back(pack.Hex());
    if (finding.kind == Kind::kBlob) entry["pack"] = blob.packs.at(0).Hex();
    entry["blobs"].push_back({{"blob", blob.id.Hex()},
                              {"type", repository::BlobTypeName(blob.type)},
                              {"packs", std::move(packs)}});
  }
  return DumpLine(entry);
}

std::string CheckJson(const std::vector<jobs::CheckTaskReport>& reports, int exit_code) {
  Json document = Document("check", exit_code);
  document["repositories"] = Json::array();
  for (const jobs::CheckTaskReport& report : reports) {
    document["repositories"].push_back({
        {"repository", OrNull(report.repository)},
        {"url", report.url},
        {"sound", report.is_sound()},
        {"snapshots", report.check.snapshots},
        {"packs", report.check.packs},
        {"packs_unreferenced", report.check.packs_unreferenced},
        {"blobs", report.check.blobs},
        {"trees", report.check.trees},
        {"packs_read", report.check.packs_read},
        {"bytes_read", report.check.bytes_read},
        {"seconds", report.seconds},
        {"findings", report.check.findings},
        {"packs_bad", report.check.packs_bad},
        {"blobs_bad", report.check.blobs_bad},
        {"snapshots_affected", report.check.snapshots_affected},
        {"entries_affected", report.check.entries_affected},
        {"errors", List(report.check.errors)},
        {"hints", List(report.check.hints)},
        {"warnings", List(report.warnings)},
        {"error", ErrorOrNull(report.error)},
    });
  }
  return Dump(document);
}

std::string ConfigCheckJson(const Settings& settings) {
  Json document = Document("config check", 0);
  document["config"] = settings.file;
  document["node"] = settings.node;
  document["cluster"] = OrNull(settings.cluster);
  document["repositories"] = settings.repositories.size();
  document["sources"] = settings.sources.size();
  document["warnings"] = List(settings.warnings);
  return Dump(document);
}

std::string ConfigShowJson(const Settings& settings, const KindSchemas& kinds) {
  Json document = Document("config show", 0);
  document["config"] = settings.file;
  document["node"] = settings.node;
  document["cluster"] = OrNull(settings.cluster);
  document["state_dir"] = settings.state_dir;
  document["controller"] = nullptr;
  if (settings.controller) {
    document["controller"] = {{"endpoint", settings.controller->endpoint},
                              {"key_file", settings.controller->key_file}};
  }
  document["limits"] = {{"tasks", settings.limits.tasks},
                        {"readers", settings.limits.readers},
                        {"read_mib_s", settings.limits.read_mib_s},
                        {"write_mib_s", settings.limits.write_mib_s}};
  document["repositories"] = Json::object();
  for (const RepositorySettings& repository : settings.repositories) {
    document["repositories"][repository.name] = {{"url", repository.url},
                                                 {"password_file", repository.password_file},
                                                 {"compression", repository.compression},
                                                 {"extra_verify", repository.extra_verify},
                                                 {"min_keep", repository.min_keep},
                                                 {"read_mib_s", repository.read_mib_s},
                                                 {"write_mib_s", repository.write_mib_s}};
    for (const config::OptionSpec& spec : S3Options()) {
      if (!repository.values.Has(spec.name)) continue;
      document["repositories"][repository.name][spec.name] = OptionJson(repository.values, spec);
    }
  }
  document["sources"] = Json::array();
  for (const SourceSettings& source : settings.sources) {
    Json entry = {{"kind", source.kind}, {"name", source.name}, {"repository", source.repository}};
    if (source.read_mib_s > 0) entry["read_mib_s"] = source.read_mib_s;
    if (source.readers > 0) entry["readers"] = source.readers;
    if (!source.compression.empty()) entry["compression"] = source.compression;
    for (const config::OptionSpec& spec : kinds.find(source.kind)->second.options) {
      if (source.values.Has(spec.name)) entry[spec.name] = OptionJson(source.values, spec);
    }
    document["sources"].push_back(std::move(entry));
  }
  document["warnings"] = List(settings.warnings);
  return Dump(document);
}

std::string ErrorJson(std::string_view verb, const Error& error, int exit_code) {
  Json document = Document(verb, exit_code);
  document["error"] = ErrorObject(error);
  return Dump(document);
}

}  // namespace holdfast::cli
