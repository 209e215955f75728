#include "agent/sources/prometheus/restore.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <map>
#include <tuple>
#include <utility>

#include "agent/sources/member/kingpin_flags.h"
#include "agent/sources/member/new_directory.h"
#include "agent/sources/member/staging_directory.h"
#include "agent/sources/member/text_item.h"
#include "agent/sources/restore_method.h"
#include "common/base/crash_point.h"
#include "common/base/format.h"
#include "common/base/path.h"
#include "common/base/ulid.h"
#include "common/io/fd.h"
#include "common/io/subprocess.h"

namespace holdfast::prometheus {
namespace {

constexpr std::string_view kData = "data";
constexpr const char* kMadeName = "data";  // in the staging directory
constexpr std::size_t kMetaMax = 16U << 20;
constexpr std::chrono::minutes kPromtoolTime{30};

struct Request {
  std::string directory;
  std::optional<std::int64_t> from;
  std::optional<std::int64_t> until;
  std::optional<std::chrono::milliseconds> retention;
};

Result<std::optional<std::int64_t>> ReadTime(const config::Values& options, const char* name) {
  if (!options.Has(name)) return std::nullopt;
  auto time = ParseUnixTime(options.Text(name));
  if (!time)
    return Fail(std::move(time)
                    .error()
                    .While(fmt::format("--{}", name))
                    .WithHint("write e.g. 2026-01-02T03:04:05Z"));
  return time->seconds * 1000 + time->nanoseconds / 1'000'000;
}

Result<Request> ReadRequest(const RestoreSpec& spec) {
  const config::Values& options = spec.options;
  Request request;
  request.directory = WithoutSlashes(options.Text("to_data_dir"));
  HF_ASSIGN(request.from, ReadTime(options, "from"));
  HF_ASSIGN(request.until, ReadTime(options, "until"));
  if (request.from && request.until && *request.until < *request.from)
    return Fail(ErrorCode::kInvalidArgument, "--until is before --from");
  std::string retention = options.Text("retention");
  const bool is_said = !retention.empty();
  const std::optional<Manifest>& manifest = spec.snapshot->manifest();
  if (!is_said && manifest) {
    const std::vector<std::string> saved = manifest->DetailsOf("retention");
    if (!saved.empty()) retention = saved.front().substr(0, saved.front().find(','));
  }
  request.retention = ParseDuration(retention);
  if (is_said && !request.retention)
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("--retention {}: expected a time such as 90d", Quote(retention)));
  if (request.retention == std::chrono::milliseconds(0)) request.retention.reset();
  return request;
}

struct Stored {
  std::vector<BlockMeta> blocks;
  std::vector<std::string> logs;  // paths in the snapshot
};

Result<Stored> ReadStored(SnapshotView& snapshot) {
  std::vector<std::string> names;
  HF_TRY(snapshot.List(kData, [&](const ViewEntry& entry) -> Result<void> {
    names.push_back(entry.name);
    return {};
  }));
  Stored stored;
  for (const std::string& name : names) {
    if (name == "wal" || name == "wbl") stored.logs.push_back(fmt::format("{}/{}", kData, name));
    if (!IsUlid(name)) continue;
    const std::string path = fmt::format("{}/{}/meta.json", kData, name);
    HF_ASSIGN(const std::string text, ReadText(snapshot, path, kMetaMax));
    auto meta = ParseBlockMeta(text);
    if (!meta) return Fail(std::move(meta).error().While(Quote(path)));
    stored.blocks.push_back(*std::move(meta));
  }
  return stored;
}

// Checks the directory with promtool; only warns if promtool is not installed. Promtool runs in the
// directory, because another user may redirect the directory's path.
Result<void> Validate(const Fd& directory, const RestoreChoice& choice, MethodOutcome& outcome,
                      const std::stop_token& stop) {
  const auto program = FindProgram("promtool");
  if (!program) {
    outcome.warnings.emplace_back("promtool is not in PATH: it did not check the restored data");
    return {};
  }
  SubprocessOptions options;
  options.opened = directory.get();
  options.timeout = kPromtoolTime;
  options.stop = stop;
  options.output_max = 64U << 20;
  HF_ASSIGN(const auto said, RunProgram({*program, "tsdb", "list", "."}, options));
  if (said.exit_code != 0)
    return Fail(
        ErrorCode::kCorrupt,
        fmt::format("promtool refuses the restored data (exit {}): {}", said.exit_code,
                    said.err.substr(0, said.err.find('\n'))),
        "the directory was not created; restore another snapshot, or restore files with --to");
  for (const BlockChoice& block : choice.blocks)
    if (block.is_taken && said.out.find(block.meta.ulid) == std::string::npos)
      return Fail(ErrorCode::kCorrupt,
                  fmt::format("promtool does not find block {}", block.meta.ulid),
                  "the directory was not created");
  outcome.lines.emplace_back("checked by promtool");
  return {};
}

// Syncs everything, sets the directory's owner and mode, which extraction did not, and renames it.
Result<void> PutInPlace(const StagingDirectory& staging, const Fd& made,
                        const Attributes& attributes, const std::string& directory) {
  const std::string path = fmt::format("{}/{}", staging.path(), kMadeName);
  HF_TRY(staging.Sync());
  if (::geteuid() == 0 && ::fchown(made.get(), attributes.uid, attributes.gid) != 0)
    return Fail(ErrnoError(errno, "chown " + Quote(path)));
  if (::fchmod(made.get(), attributes.mode) != 0)
    return Fail(ErrnoError(errno, "chmod " + Quote(path)));
  HF_TRY(SyncFile(made.get(), path));
  CrashPoint("prometheus.data_dir.swap");
  HF_TRY(staging.Publish(kMadeName, std::string(BaseName(directory))));
  CrashPoint("prometheus.data_dir.swap");
  return staging.SyncParent();
}

void AddAdvice(const RestoreChoice& choice, const Request& request, std::int64_t now,
               MethodOutcome& outcome) {
  if (const std::size_t overlaps = CountOverlaps(choice); overlaps > 0)
    outcome.lines.push_back(
        fmt::format("{} with overlaps from out-of-order samples: Prometheus before 2.39 accepts "
                    "them only with --storage.tsdb.allow-overlapping-blocks",
                    FormatCount(overlaps, "block")));
  if (!request.retention) return;
  const auto gone = BeyondRetention(choice, *request.retention, now);
  if (gone.empty()) return;
  std::int64_t oldest = now;
  for (const BlockMeta& meta : gone) oldest = std::min(oldest, meta.min_time);
  constexpr std::int64_t kDayMs = 86'400'000;
  outcome.warnings.push_back(fmt::format(
      "Prometheus will remove {} of these blocks: start it with --storage.tsdb.retention.time={}d "
      "or more, and with a --storage.tsdb.retention.size that holds them",
      gone.size(), (now - oldest) / kDayMs + 2));
}

void AddPlan(const RestoreChoice& choice, const Stored& stored, MethodOutcome& outcome) {
  for (const BlockChoice& block : choice.blocks)
    outcome.plan.push_back({.what = "block",
                            .name = block.meta.ulid,
                            .items = block.meta.samples,
                            .there = fmt::format("{} to {}", MillisecondsText(block.meta.min_time),
                                                 MillisecondsText(block.meta.max_time)),
                            .action = block.is_taken ? "restored" : "left out: " + block.reason});
  for (const std::string& log : stored.logs)
    outcome.plan.push_back(
        {.what = "log",
         .name = log.substr(kData.size() + 1),
         .there = "samples that are not in a block yet",
         .action = choice.has_logs ? "restored" : "left out: not in that time range"});
}

std::vector<config::OptionSpec> RestoreOptions() {
  using config::OptionSpec;
  using config::OptionType;
  return {
      OptionSpec{.name = "to_data_dir",
                 .type = OptionType::kPath,
                 .required = true,
                 .help = "create a data directory for Prometheus here; must be new or empty"},
      OptionSpec{
          .name = "from",
          .help = "restore only blocks with samples since this time, e.g. 2026-01-02T03:04:05Z"},
      OptionSpec{
          .name = "until",
          .help = "restore only blocks with samples up to this time, e.g. 2026-01-02T03:04:05Z"},
      OptionSpec{
          .name = "retention",
          .help = "retention of the server that will use the directory, e.g. 90d, to check that it "
                  "would delete no block; default: the retention of the saved server"},
  };
}

}  // namespace

RestoreMethod ToDataDirMethod() {
  return {
      .name = "to-data-dir",
      .summary = "create a data directory with all blocks, or with those of a time range",
      .options = {RestoreOptions()},
      .has_dry_run = true,
      .open = OneShotRestore{[](const SourceContext& context, const config::Values& /*settings*/,
                                const RestoreSpec& spec, Progress& progress, std::stop_token stop) {
        return RestoreDataDirectory(context, spec, progress, std::move(stop));
      }}};
}

RestoreChoice ChooseBlocks(std::vector<BlockMeta> blocks, std::optional<std::int64_t> from,
                           std::optional<std::int64_t> until) {
  std::ranges::sort(blocks, {}, [](const BlockMeta& meta) {
    return std::tuple(meta.min_time, meta.max_time, meta.ulid);
  });
  std::map<std::string, std::string> replaced_by;
  std::optional<std::int64_t> end;
  for (const BlockMeta& meta : blocks) {
    for (const std::string& parent : meta.parents) replaced_by[parent] = meta.ulid;
    end = std::max(end.value_or(meta.max_time), meta.max_time);
  }
  RestoreChoice choice;
  choice.has_logs = !until || !end || *until >= *end;
  for (BlockMeta& meta : blocks) {
    BlockChoice& one = choice.blocks.emplace_back();
    one.meta = std::move(meta);
    const auto replaced = replaced_by.find(one.meta.ulid);
    if (replaced != replaced_by.end()) {
      one.reason = fmt::format("{} has its samples", replaced->second);
    } else if ((from && one.meta.max_time <= *from) || (until && one.meta.min_time > *until)) {
      one.reason = "not in that time range";
    } else {
      one.is_taken = true;
    }
  }
  return choice;
}

std::size_t CountOverlaps(const RestoreChoice& choice) {
  std::size_t count = 0;
  std::optional<std::int64_t> end;
  for (const BlockChoice& block : choice.blocks) {
    if (!block.is_taken) continue;
    if (end && block.meta.min_time < *end) ++count;
    end = std::max(end.value_or(block.meta.max_time), block.meta.max_time);
  }
  return count;
}

std::vector<BlockMeta> BeyondRetention(const RestoreChoice& choice,
                                       std::chrono::milliseconds retention, std::int64_t now) {
  std::vector<BlockMeta> gone;
  for (const BlockChoice& block : choice.blocks)
    if (block.is_taken && now - block.meta.max_time >= retention.count())
      gone.push_back(block.meta);
  return gone;
}

Result<MethodOutcome> RestoreDataDirectory(const SourceContext& context, const RestoreSpec& spec,
                                           Progress& progress, std::stop_token stop) {
  HF_ASSIGN(const Request request, ReadRequest(spec));
  HF_TRY(CheckNewDirectory(request.directory,
                           "stop Prometheus and move its old data directory aside: blocks of both "
                           "would overlap"));
  HF_ASSIGN(const auto top, spec.snapshot->Stat(kData));
  if (!top) return Fail(ErrorCode::kNotFound, "the snapshot has no data", "see its manifest.json");
  HF_ASSIGN(Stored stored, ReadStored(*spec.snapshot));
  const RestoreChoice choice = ChooseBlocks(std::move(stored.blocks), request.from, request.until);
  MethodOutcome outcome;
  const std::int64_t now =
      std::chrono::duration_cast<std::chrono::milliseconds>(context.clock->Now().time_since_epoch())
          .count();
  AddAdvice(choice, request, now, outcome);
  if (spec.dry_run) {
    AddPlan(choice, stored, outcome);
    return outcome;
  }
  ExtractOptions extract;
  extract.strip = kData;
  extract.restore_owner = ::geteuid() == 0;
  std::size_t taken = 0;
  for (const BlockChoice& block : choice.blocks) {
    if (!block.is_taken) continue;
    ++taken;
    extract.paths.push_back(fmt::format("{}/{}", kData, block.meta.ulid));
  }
  if (choice.has_logs)
    extract.paths.insert(extract.paths.end(), stored.logs.begin(), stored.logs.end());
  if (extract.paths.empty())
    return Fail(ErrorCode::kNotFound, "the snapshot has no samples in that time range",
                "--dry-run shows what it has");
  const std::string parent = std::filesystem::path(request.directory).parent_path().string();
  HF_ASSIGN(const auto staging, StagingDirectory::Create(".holdfast-prometheus", parent));
  // In the staging directory, so that Prometheus's user cannot reach it before it is published.
  HF_ASSIGN(const Fd made, staging.MakeDirectory(kMadeName));
  extract.opened = made.get();
  HF_ASSIGN(const ExtractOutcome extracted,
            spec.snapshot->Extract(fmt::format("{}/{}", staging.path(), kMadeName), extract,
                                   progress, stop));
  outcome.warnings.insert(outcome.warnings.end(), extracted.warnings.begin(),
                          extracted.warnings.end());
  HF_TRY(Validate(made, choice, outcome, stop));
  HF_TRY(PutInPlace(staging, made, *top, request.directory));
  outcome.lines.insert(
      outcome.lines.begin(),
      fmt::format("created {} from {}{}", request.directory, FormatCount(taken, "block"),
                  choice.has_logs ? " and the logs of samples that were not in a block yet"
                                  : ", without samples that were not in a block yet"));
  outcome.lines.push_back(fmt::format(
      "give it to Prometheus's user (chown -R), and start Prometheus with --storage.tsdb.path={}",
      request.directory));
  return outcome;
}

}  // namespace holdfast::prometheus
