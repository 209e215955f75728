#include "agent/jobs/maintenance/inspect_job.h"

#include <utility>

#include "agent/jobs/session/snapshot_finder.h"
#include "common/base/format.h"

namespace holdfast::jobs {

using repository::SnapshotInfo;

Result<InfoReport> RunInfo(const JobContext& context, const RepositoryAddress& address) {
  HF_ASSIGN(auto session, RepositorySession::Open(context, address, LockUse::kNone));
  InfoReport report;
  report.repository = address.label();
  report.url = address.url;
  report.config = session->repository().config();
  report.key = session->repository().keys().file();
  report.warnings = session->warnings();
  const auto look = [&]() -> Result<void> {
    for (const FileKind kind : {FileKind::kKey, FileKind::kSnapshot, FileKind::kIndex,
                                FileKind::kPack, FileKind::kLock}) {
      InfoReport::Files& files = report.files[kind];
      HF_TRY(session->repository().storage().List(kind, [&](const FileInfo& file) -> Result<void> {
        ++files.count;
        files.bytes += file.size;
        return {};
      }));
    }
    HF_ASSIGN(const std::vector<SnapshotInfo> snapshots,
              repository::ListSnapshots(session->repository()));
    if (snapshots.empty()) return {};
    report.oldest = snapshots.front().time;
    report.newest = snapshots.back().time;
    return {};
  };
  if (Result<void> looked = look(); !looked) {
    return Fail(std::move(looked).error().While(
        fmt::format("inspect repository {}", Quote(address.label()))));
  }
  return report;
}

Result<StatsReport> RunStats(const JobContext& context, const RepositoryAddress& address,
                             const std::vector<std::string>& snapshots,
                             repository::StatsMode mode) {
  HF_ASSIGN(auto session, RepositorySession::Open(context, address, LockUse::kIfCan));
  StatsReport report;
  report.repository = address.label();
  report.mode = mode;
  report.warnings = session->warnings();
  ObservedProgress progress(context, "stats of " + address.label());
  progress.progress().SetPhase("snapshots");
  const auto count = [&]() -> Result<void> {
    HF_ASSIGN(std::vector<SnapshotInfo> chosen, repository::ListSnapshots(session->repository()));
    if (!snapshots.empty()) {
      std::vector<SnapshotInfo> named;
      for (const std::string& selector : snapshots) {
        HF_ASSIGN(SnapshotInfo snapshot,
                  ChooseSnapshot(context, address.label(), chosen, selector));
        named.push_back(std::move(snapshot));
      }
      chosen = std::move(named);
    }
    progress.progress().items_total = chosen.size();
    HF_TRY(session->repository().index().Load(context.stop));
    repository::StatsCounter counter(session->repository().blobs(), mode);
    for (const SnapshotInfo& snapshot : chosen) {
      HF_TRY(counter.Add(snapshot, context.stop));
      ++progress.progress().items;
    }
    report.stats = counter.stats();
    return {};
  };
  if (Result<void> counted = count(); !counted) {
    return Fail(std::move(counted).error().While(
        fmt::format("count the data in repository {}", Quote(address.label()))));
  }
  return report;
}

}  // namespace holdfast::jobs
