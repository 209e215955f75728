#include "agent/jobs/maintenance/copy_job.h"

#include <algorithm>
#include <utility>

#include "agent/jobs/session/snapshot_finder.h"
#include "common/base/format.h"
#include "common/repository/snapshot/snapshot_info.h"

namespace holdfast::jobs {
namespace {

using repository::SnapshotInfo;

Result<std::vector<SnapshotInfo>> Choose(const JobContext& context, const std::string& label,
                                         std::vector<SnapshotInfo> all,
                                         const CopyJobOptions& options) {
  if (options.snapshots.empty()) {
    if (!options.selector.empty()) {
      HF_TRY(CheckSelector(options.selector, KnownSources(context, all)));
    }
    std::erase_if(all, [&](const SnapshotInfo& snapshot) {
      return !options.selector.empty() && !MatchesSource(options.selector, snapshot, snapshot.name);
    });
    return all;
  }
  std::vector<SnapshotInfo> chosen;
  for (const std::string& selector : options.snapshots) {
    HF_ASSIGN(SnapshotInfo snapshot, ChooseSnapshot(context, label, all, selector));
    const bool is_new = std::ranges::find(chosen, snapshot.id, &SnapshotInfo::id) == chosen.end();
    if (is_new) chosen.push_back(std::move(snapshot));
  }
  return chosen;
}

}  // namespace

std::size_t CopyJobReport::CountOf(repository::SnapshotCopy::State state) const {
  return static_cast<std::size_t>(
      std::ranges::count(copy.snapshots, state, &repository::SnapshotCopy::state));
}

Result<CopyJobReport> RunCopy(const JobContext& context, const RepositoryAddress& from,
                              const RepositoryAddress& to, const CopyJobOptions& options) {
  if (from.url == to.url) {
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("copy repository {} to itself", Quote(from.label())),
                "name two repositories: --repository and --to");
  }
  HF_ASSIGN(const auto source, RepositorySession::Open(context, from, LockUse::kIfCan));
  HF_ASSIGN(
      const auto target,
      RepositorySession::Open(context, to, options.dry_run ? LockUse::kIfCan : LockUse::kRequired));
  const std::string& id = source->repository().config().id;
  if (target->repository().config().id == id) {
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("copy repository {} to itself: {} is the same repository, {}",
                            Quote(from.label()), Quote(to.label()), id.substr(0, 8)),
                "`holdfast-agent init` creates another one; a copy of the same files is the same "
                "repository");
  }
  for (const std::string& warning : source->warnings()) context.Note(from.label(), warning);
  const auto in = [](const RepositoryAddress& address, Error error) {
    return Fail(std::move(error).While(fmt::format("repository {}", Quote(address.label()))));
  };
  auto all = repository::ListSnapshots(source->repository());
  if (!all) return in(from, std::move(all).error());
  auto present = repository::ListSnapshots(target->repository());
  if (!present) return in(to, std::move(present).error());
  auto chosen = Choose(context, from.label(), *std::move(all), options);
  if (!chosen) return in(from, std::move(chosen).error());
  if (auto loaded = source->repository().index().Load(context.stop); !loaded) {
    return in(from, std::move(loaded).error());
  }
  if (auto loaded = target->repository().index().LoadWithCache(context.stop); !loaded) {
    return in(to, std::move(loaded).error());
  }
  ObservedProgress progress(context, fmt::format("copy {} to {}", from.label(), to.label()));
  CopyJobReport report{from.label(), to.label(), options.dry_run,
                       repository::CopySnapshots(
                           source->repository(), target->repository(), *std::move(chosen), *present,
                           {options.dry_run, target->lock()}, progress.progress(), context.stop)};
  if (!options.dry_run) target->KeepIndex(context);
  if (report.copy.error) {
    report.copy.error =
        std::move(*report.copy.error)
            .While(fmt::format("copy repository {} to {}", Quote(from.label()), Quote(to.label())));
  }
  return report;
}

}  // namespace holdfast::jobs
