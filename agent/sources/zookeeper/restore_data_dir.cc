#include "agent/sources/zookeeper/restore_data_dir.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <utility>

#include "agent/sources/host/paths.h"
#include "agent/sources/member/staging_directory.h"
#include "agent/sources/restore_method.h"
#include "agent/sources/zookeeper/pinned_files.h"
#include "agent/sources/zookeeper/survey.h"
#include "agent/sources/zookeeper/tree_facts.h"
#include "common/base/crash_point.h"
#include "common/base/format.h"
#include "common/base/number.h"
#include "common/io/atomic_file.h"
#include "common/io/fd.h"

namespace holdfast::zookeeper {
namespace {

constexpr std::string_view kSavedFiles = "data/version-2";
constexpr const char* kVersion = "version-2";
constexpr const char* kAside =
    "stop ZooKeeper on all members and move version-2 aside on each of them: ZooKeeper replays "
    "logs that are left next to an older snapshot";

struct StageRequest {
  std::string data_dir;
  std::string log_dir;  // the same, or the one for logs
  std::string id;       // empty: do not write myid
  std::optional<std::int64_t> until;
};

Result<StageRequest> ReadStageRequest(const RestoreSpec& spec) {
  const config::Values& options = spec.options;
  StageRequest request;
  request.data_dir = options.Text("stage_data_dir");
  request.log_dir = options.Text("stage_data_log_dir", request.data_dir);
  request.id = options.Text("member");
  if (request.id.find_first_not_of("0123456789") != std::string::npos || request.id.size() > 3)
    return options.Invalid("member", fmt::format("{} is not a member's number", Quote(request.id)));
  HF_ASSIGN(request.until, ReadUntil(options));
  return request;
}

// A staging directory with a new "version-2".
struct StagedState {
  StagingDirectory place;
  Fd files;  // "version-2", open

  static Result<StagedState> Create(const std::string& directory) {
    HF_ASSIGN(auto place, StagingDirectory::Create(".holdfast-zookeeper", directory, 0750));
    HF_ASSIGN(Fd files, place.MakeDirectory(kVersion));
    return StagedState{std::move(place), std::move(files)};
  }
};

Result<void> Extract(SnapshotView& view, std::vector<std::string> paths, const StagedState& to,
                     Progress& progress, const std::stop_token& stop) {
  if (paths.empty()) return {};
  ExtractOptions options;
  options.paths = std::move(paths);
  options.strip = "data";
  options.restore_owner = ::geteuid() == 0;
  options.opened = to.place.top();
  HF_TRY(view.Extract(to.place.path(), options, progress, stop));
  return {};
}

// How many bytes of a log have transactions up to `until`.
Result<std::uint64_t> BytesUntil(const PinnedLog& log, std::int64_t until) {
  const auto content = PinnedFiles::OpenContent(log.file);
  LogReader reader(*content);
  for (std::uint64_t bytes = 0;;) {
    HF_ASSIGN(const auto record, reader.Next());
    if (!record || reader.position().last_zxid > until) return bytes;
    bytes = reader.position().bytes;
  }
}

Result<void> CutLogs(const PinnedFiles& files, const StagedState& logs, std::int64_t until) {
  HF_TRY(CheckNotBefore(until, std::max(files.snapshot().zxid, files.summary().fuzzy_end())));
  HF_TRY(CheckNotAfter(until, files.zxid()));
  for (const PinnedLog& log : files.logs()) {
    HF_ASSIGN(const std::uint64_t bytes, BytesUntil(log, until));
    const std::string& path = log.file.path;
    if (bytes == 0) {
      if (::unlinkat(logs.files.get(), log.file.name.c_str(), 0) != 0)
        return Fail(ErrnoError(errno, "remove " + Quote(path)));
      continue;
    }
    HF_ASSIGN(const Fd file,
              OpenFileAt(logs.files.get(), log.file.name, O_WRONLY | O_NOFOLLOW, 0, path));
    if (::ftruncate(file.get(), static_cast<off_t>(bytes)) != 0)
      return Fail(ErrnoError(errno, "shorten " + Quote(path)));
  }
  return {};
}

// Logs first, because a server does not start without a snapshot.
Result<void> PutInPlace(bool is_apart, const StagedState& data, const StagedState& logs) {
  HF_TRY(data.place.Sync());
  if (is_apart) {
    HF_TRY(logs.place.Sync());
    CrashPoint("zookeeper.stage.swap");
    HF_TRY(logs.place.Publish(kVersion, kVersion));
    HF_TRY(logs.place.SyncParent());
  }
  CrashPoint("zookeeper.stage.swap");
  auto done = data.place.Publish(kVersion, kVersion);
  if (!done && is_apart) logs.place.Withdraw(kVersion, kVersion, logs.files.get());
  HF_TRY(std::move(done));
  CrashPoint("zookeeper.stage.swap");
  return data.place.SyncParent();
}

// What the backup did not have is in its manifest, and every restore reports it.
void DescribeTree(const StageRequest& request, const PinnedFiles& files,
                  const Result<TreeFacts>& facts, MethodOutcome& outcome) {
  outcome.lines.push_back(fmt::format("created {}/version-2: the tree as it was after {}",
                                      request.data_dir, ZxidText(files.zxid())));
  if (facts)
    outcome.lines[0] += fmt::format(", {} as srvr counts them", FormatCount(facts->nodes, "node"));
  if (!facts) {
    outcome.warnings.push_back("node count and digest are not known: " + facts.error().Text());
  } else if (facts->first_difference) {
    outcome.warnings.push_back(fmt::format(
        "from {:#x} on, the tree's digest differs from the one that ZooKeeper wrote to its log "
        "(hint: compare with a backup of another member; a server whose file.encoding is not UTF-8 "
        "computes different digests for paths that are not ASCII)",
        *facts->first_difference));
  } else if (facts->logged) {
    outcome.lines.push_back(
        fmt::format("its digest matches the one in ZooKeeper's log: {:#x}", facts->digest));
  }
}

void DescribeSteps(const StageRequest& request, std::vector<std::string>& lines) {
  lines.emplace_back(
      "run the same restore on every other member, from this snapshot, while all members are "
      "stopped");
  lines.push_back(fmt::format(
      "give it to the user that ZooKeeper runs as: chown -R zookeeper: {}{}", request.data_dir,
      request.log_dir == request.data_dir ? "" : " " + request.log_dir));
  lines.emplace_back("then start all members");
}

std::vector<config::OptionSpec> StageOptions() {
  using config::OptionSpec;
  using config::OptionType;
  return {
      OptionSpec{
          .name = "stage_data_dir",
          .type = OptionType::kPath,
          .required = true,
          .help =
              "create version-2 of the dataDir of a member here; it is the same for all members"},
      OptionSpec{.name = "stage_data_log_dir",
                 .type = OptionType::kPath,
                 .help = "put the transaction logs here, if the member has a dataLogDir"},
      UntilOption(),
      OptionSpec{.name = "member", .help = "number of the member, for its myid file"},
  };
}

}  // namespace

Result<std::optional<std::int64_t>> ReadUntil(const config::Values& options) {
  const std::string until = options.Text("until_zxid");
  if (until.empty()) return std::nullopt;
  const bool has_mark = until.starts_with("0x");
  const auto zxid = ParseWhole<std::uint64_t>(std::string_view(until).substr(has_mark ? 2 : 0), 16);
  if (!has_mark || !zxid || *zxid > INT64_MAX)
    return options.Invalid(
        "until_zxid",
        fmt::format("{} is not a zxid; expected one such as 0x10000002a", Quote(until)));
  return static_cast<std::int64_t>(*zxid);
}

Result<void> CheckNotBefore(std::int64_t until, std::int64_t first) {
  if (until >= first) return {};
  return Fail(ErrorCode::kInvalidArgument,
              fmt::format("this snapshot may have parts of transactions up to {:#x}, so it cannot "
                          "give the tree as it was after {:#x}",
                          first, until),
              "use an earlier snapshot: `holdfast-agent list` shows them");
}

Result<void> CheckNotAfter(std::int64_t until, std::int64_t last) {
  if (until <= last) return {};
  return Fail(ErrorCode::kInvalidArgument,
              fmt::format("this snapshot ends at {:#x}, before {:#x}", last, until),
              "use a later snapshot: `holdfast-agent list` shows them");
}

Result<SavedPaths> ListSaved(SnapshotView& view) {
  SavedPaths saved;
  HF_ASSIGN(const auto found, view.Stat(kSavedFiles));
  if (found) {
    HF_TRY(view.List(kSavedFiles, [&saved](const ViewEntry& entry) -> Result<void> {
      std::string path = fmt::format("{}/{}", kSavedFiles, entry.name);
      if (ZxidOf(entry.name, "snapshot"))
        saved.snapshots.push_back(std::move(path));
      else if (ZxidOf(entry.name, "log"))
        saved.logs.push_back(std::move(path));
      return {};
    }));
  }
  if (saved.snapshots.empty())
    return Fail(ErrorCode::kNotFound,
                fmt::format("this snapshot has no {}/snapshot.*", kSavedFiles),
                "`holdfast-agent list` shows the others");
  return saved;
}

config::OptionSpec UntilOption() {
  return {.name = "until_zxid",
          .help = "restore the tree as it was after this transaction, e.g. 0x10000002a"};
}

RestoreMethod StageDataDirMethod() {
  return {.name = "stage-data-dir",
          .summary = "create the data directory of a member",
          .options = {StageOptions()},
          .open = OneShotRestore{[](const SourceContext& /*context*/,
                                    const config::Values& /*settings*/, const RestoreSpec& spec,
                                    Progress& progress, const std::stop_token& stop) {
            return StageDataDirectory(spec, progress, stop);
          }}};
}

Result<MethodOutcome> StageDataDirectory(const RestoreSpec& spec, Progress& progress,
                                         const std::stop_token& stop) {
  HF_ASSIGN(const StageRequest request, ReadStageRequest(spec));
  HF_ASSIGN(SavedPaths saved, ListSaved(*spec.snapshot));
  for (const std::string& directory : {request.data_dir, request.log_dir}) {
    if (host::HasEntry(directory + "/version-2"))
      return Fail(ErrorCode::kAlreadyExists,
                  fmt::format("{} already exists", Quote(directory + "/version-2")), kAside);
  }
  HF_ASSIGN(const StagedState data, StagedState::Create(request.data_dir));
  HF_ASSIGN(const StagedState logs, StagedState::Create(request.log_dir));
  const bool is_apart = request.log_dir != request.data_dir;
  const StagedState& log_place = is_apart ? logs : data;
  progress.SetPhase("extract");
  HF_TRY(Extract(*spec.snapshot, std::move(saved.snapshots), data, progress, stop));
  HF_TRY(Extract(*spec.snapshot, std::move(saved.logs), log_place, progress, stop));

  progress.SetPhase("verify");
  const PinOptions places{.data_dir = data.place.path(),
                          .log_dir = log_place.place.path(),
                          .opened_data = data.place.top(),
                          .opened_logs = log_place.place.top()};
  if (request.until) {
    HF_ASSIGN(const PinnedFiles files, PinnedFiles::Open(places, stop));
    HF_TRY(CutLogs(files, log_place, *request.until));
  }
  HF_ASSIGN(const PinnedFiles files, PinnedFiles::Open(places, stop));
  // All seals are valid. Records of a newer ZooKeeper that are unknown here are left to the server.
  const Result<TreeFacts> facts = ReadTreeFacts(files.Tree(), stop);
  const bool is_strange = !facts && (facts.error().code() == ErrorCode::kUnsupported ||
                                     facts.error().code() == ErrorCode::kCorrupt);
  if (!facts && !is_strange) return Fail(facts.error());
  progress.SetPhase("put in place");
  for (const StagedState* made : {&data, &log_place}) HF_TRY(made->place.CheckPlace());
  if (!request.id.empty())
    HF_TRY(WriteFileAtomicAt(data.place.parent(), "myid", AsBytes(request.id + "\n"), 0644, {},
                             request.data_dir + "/myid"));
  HF_TRY(PutInPlace(is_apart, data, log_place));
  MethodOutcome outcome;
  DescribeTree(request, files, facts, outcome);
  DescribeSteps(request, outcome.lines);
  return outcome;
}

}  // namespace holdfast::zookeeper
