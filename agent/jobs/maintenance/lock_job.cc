#include "agent/jobs/maintenance/lock_job.h"

#include <utility>

#include "common/base/format.h"

namespace holdfast::jobs {

Result<LockListReport> RunLockList(const JobContext& context, const RepositoryAddress& address) {
  HF_ASSIGN(auto session, RepositorySession::Open(context, address, LockUse::kNone));
  auto locks = repository::ListLocks(session->repository(), context.lock_options);
  if (!locks) {
    return Fail(std::move(locks).error().While(
        fmt::format("list the locks of repository {}", Quote(address.label()))));
  }
  LockListReport report;
  report.repository = address.label();
  for (repository::LockInfo& lock : *locks) {
    const bool is_stale = repository::IsStale(lock, context.lock_options, *context.clock);
    report.locks.push_back({std::move(lock), is_stale});
  }
  return report;
}

Result<UnlockReport> RunUnlock(const JobContext& context, const RepositoryAddress& address,
                               bool all) {
  HF_ASSIGN(auto session, RepositorySession::Open(context, address, LockUse::kNone));
  UnlockReport report;
  report.repository = address.label();
  const auto removed =
      all ? repository::RemoveAllLocks(session->repository().storage())
          : repository::RemoveStaleLocks(session->repository(), context.lock_options);
  if (!removed) {
    return Fail(
        Error(removed.error()).While(fmt::format("unlock repository {}", Quote(address.label()))));
  }
  report.removed = *removed;
  if (all) return report;
  HF_ASSIGN(const auto left, repository::ListLocks(session->repository(), context.lock_options));
  report.left = static_cast<unsigned>(left.size());
  return report;
}

}  // namespace holdfast::jobs
