#include "agent/jobs/probe_job.h"

#include <utility>

#include "agent/jobs/source_session.h"
#include "common/base/format.h"

namespace holdfast::jobs {
namespace {

Result<SourceInfo> Probe(const JobContext& context, const SourceKind& kind,
                         const SourceSettings& settings) {
  HF_ASSIGN(std::unique_ptr<Source> source,
            OpenSource(context, kind, settings.name, settings.values));
  return source->Probe(context.stop);
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
