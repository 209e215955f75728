#include "agent/jobs/check_job.h"

#include <utility>

#include "common/base/format.h"

namespace holdfast::jobs {
namespace {

Result<void> CheckOne(const JobContext& context, const RepositoryAddress& address,
                      const repository::CheckOptions& options, CheckTaskReport& report) {
  ObservedProgress progress(context, "check " + address.label());
  progress.progress().SetPhase("open");
  HF_ASSIGN(auto session, RepositorySession::Open(context, address, LockUse::kIfCan));
  report.warnings = session->warnings();
  auto check = repository::CheckRepository(session->repository(), options, progress.progress(),
                                           context.stop);
  if (!check) {
    return Fail(
        std::move(check).error().While(fmt::format("check repository {}", Quote(address.label()))));
  }
  report.check = *std::move(check);
  return {};
}

}  // namespace

std::vector<CheckTaskReport> RunCheck(const JobContext& context,
                                      const std::vector<RepositoryAddress>& repositories,
                                      const repository::CheckOptions& options) {
  std::vector<CheckTaskReport> reports;
  for (const RepositoryAddress& address : repositories) {
    CheckTaskReport& report = reports.emplace_back();
    report.repository = address.name;
    report.url = address.url;
    Instant begin = context.clock->Monotonic();
    Result<void> outcome = CheckOne(context, address, options, report);
    report.seconds = std::chrono::duration<double>(context.clock->Monotonic() - begin).count();
    if (!outcome) report.error = std::move(outcome).error();
  }
  return reports;
}

}  // namespace holdfast::jobs
