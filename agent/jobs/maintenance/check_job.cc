#include "agent/jobs/maintenance/check_job.h"

#include <memory>
#include <utility>

#include "common/base/format.h"

namespace holdfast::jobs {
namespace {

// If a damaged key prevents opening the repository, checks all keys to report more.
void CheckKeysOf(const JobContext& context, const RepositoryAddress& address,
                 const repository::CheckOptions& options, repository::CheckReport& report) {
  const auto storage = context.open_storage(
      {.url = address.url, .s3 = address.s3, .first_answer_within = context.first_answer_within});
  // The error was already reported when opening failed.
  if (storage) (void)repository::CheckKeys(**storage, options, report);
}

Result<void> CheckOne(const JobContext& context, const RepositoryAddress& address,
                      const repository::CheckOptions& options, const CheckVisitor& visit,
                      CheckTaskReport& report) {
  ObservedProgress progress(context, "check " + address.label());
  progress.progress().SetPhase("open");
  std::unique_ptr<RepositorySession> session;
  repository::CheckOptions own = options;
  if (visit) {
    own.on_finding = [&](const repository::CheckFinding& finding) -> Result<void> {
      // What a concurrent prune removed is not damage, so be certain of the lock first.
      if (session != nullptr) HF_TRY(session->Settle());
      return visit(address, finding);
    };
  }
  auto opened = RepositorySession::Open(context, address, LockUse::kIfCan, LockWait::kLater);
  if (!opened && repository::IsDamage(opened.error())) {
    CheckKeysOf(context, address, own, report.check);
  }
  HF_ASSIGN(session, std::move(opened));
  report.warnings = session->warnings();
  const StopWhenRefused stop(*session, context.stop);
  auto check =
      repository::CheckRepository(session->repository(), own, progress.progress(), stop.token());
  HF_TRY(session->Settle());
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
                                      const repository::CheckOptions& options,
                                      const CheckVisitor& visit) {
  std::vector<CheckTaskReport> reports;
  for (const RepositoryAddress& address : repositories) {
    CheckTaskReport& report = reports.emplace_back();
    report.repository = address.name;
    report.url = address.url;
    Instant begin = context.clock->Monotonic();
    Result<void> outcome = CheckOne(context, address, options, visit, report);
    report.seconds = std::chrono::duration<double>(context.clock->Monotonic() - begin).count();
    if (!outcome) report.error = std::move(outcome).error();
  }
  return reports;
}

}  // namespace holdfast::jobs
