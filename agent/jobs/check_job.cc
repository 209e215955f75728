#include "agent/jobs/check_job.h"

#include <utility>

#include "common/base/format.h"

namespace holdfast::jobs {
namespace {

Result<void> CheckOne(const JobContext& context, const RepositoryAddress& address, bool read_data,
                      CheckTaskReport& report) {
  ObservedProgress progress(context, "check " + address.label());
  progress.progress().SetPhase("open");
  HF_ASSIGN(auto session, RepositorySession::Open(context, address, LockUse::kIfCan));
  report.warnings = session->warnings();
  auto check = repository::CheckRepository(session->repository(), {.read_data = read_data},
                                           progress.progress(), context.stop);
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
                                      bool read_data) {
  std::vector<CheckTaskReport> reports;
  for (const RepositoryAddress& address : repositories) {
    CheckTaskReport& report = reports.emplace_back();
    report.repository = address.name;
    report.url = address.url;
    Instant begin = context.clock->Monotonic();
    Result<void> outcome = CheckOne(context, address, read_data, report);
    report.seconds = std::chrono::duration<double>(context.clock->Monotonic() - begin).count();
    if (!outcome) report.error = std::move(outcome).error();
  }
  return reports;
}

}  // namespace holdfast::jobs
