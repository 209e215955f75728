#include "agent/jobs/backup/probe_job.h"

#include <algorithm>
#include <utility>

#include "agent/jobs/session/mount_check.h"
#include "agent/jobs/session/source_session.h"
#include "common/base/format.h"

namespace holdfast::jobs {
namespace {

// A service may be healthy although the agent cannot read its files. Missing items that are not
// paths, such as passwords that a service does not disclose, are missing by design.
void ShowMissingPaths(SourceInfo& info) {
  const auto is_path = [](const Missing& one) { return one.what.starts_with('/'); };
  const auto first = std::ranges::find_if(info.missing, is_path);
  if (first == info.missing.end()) return;
  info.healthy = false;
  const auto count = static_cast<std::uint64_t>(std::ranges::count_if(info.missing, is_path));
  info.health += fmt::format("{}{} cannot be saved: {}: {}", info.health.empty() ? "" : "; ",
                             FormatCount(count, "path"), Quote(first->what), first->reason);
}

Result<SourceInfo> Probe(const JobContext& context, const SourceKind& kind,
                         const SourceSettings& settings) {
  HF_ASSIGN(std::unique_ptr<Source> source,
            OpenSource(context, kind, settings.name, settings.values));
  HF_ASSIGN(SourceInfo info, source->Probe(context.stop));
  AddMissing(UnmountedPaths(context, settings), info.missing);
  AddMissing(EmptyMountPoints(context, settings), info.missing);
  ShowMissingPaths(info);
  return info;
}

}  // namespace

std::vector<ProbeReport> RunProbe(const JobContext& context,
                                  const std::vector<const SourceSettings*>& sources) {
  std::vector<ProbeReport> reports;
  for (const SourceSettings* settings : sources) {
    ProbeReport& report = reports.emplace_back();
    const SourceKind* kind = context.FindKind(settings->kind);
    HF_CHECK(kind != nullptr);
    report.kind = settings->kind;
    report.name = settings->name;
    report.repository = settings->repository;
    report.topology = kind->topology;
    Result<SourceInfo> info = Probe(context, *kind, *settings);
    if (info) {
      report.info = *std::move(info);
    } else {
      report.error = std::move(info).error();
    }
    auto unfinished =
        ReadRestoreJournal(context.settings->state_dir, settings->kind, settings->name);
    if (unfinished) {
      report.unfinished_restore = *std::move(unfinished);
    } else {
      report.journal_error = std::move(unfinished).error();
    }
  }
  return reports;
}

}  // namespace holdfast::jobs
