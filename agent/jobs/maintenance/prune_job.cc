#include "agent/jobs/maintenance/prune_job.h"

#include <utility>

#include "agent/jobs/maintenance/forget_job.h"
#include "common/base/format.h"

namespace holdfast::jobs {

Result<PruneTaskReport> RunPrune(const JobContext& context, const RepositoryAddress& address,
                                 repository::PruneOptions options) {
  HF_ASSIGN(auto session, RepositorySession::Open(context, address, LockUse::kExclusive));
  unsigned safety_forgotten = 0;
  const auto prune = [&]() -> Result<repository::PruneReport> {
    HF_ASSIGN(safety_forgotten, ForgetOldSafetySnapshots(context, *session, options.dry_run));
    HF_TRY(session->repository().index().Load(context.stop));
    ObservedProgress progress(context, "prune " + address.label());
    options.lock = session->lock();
    return repository::PruneRepository(session->repository(), options, progress.progress(),
                                       context.stop);
  };
  Result<repository::PruneReport> pruned = prune();
  if (pruned) {
    return PruneTaskReport{address.label(), options.dry_run, safety_forgotten, *std::move(pruned)};
  }
  return Fail(
      std::move(pruned).error().While(fmt::format("prune repository {}", Quote(address.label()))));
}

}  // namespace holdfast::jobs
