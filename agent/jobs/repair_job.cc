#include "agent/jobs/repair_job.h"

#include <utility>

#include "common/base/format.h"

namespace holdfast::jobs {

Result<RepairIndexReport> RunRepairIndex(const JobContext& context,
                                         const RepositoryAddress& address, bool read_all_packs) {
  HF_ASSIGN(auto session, RepositorySession::Open(context, address, LockUse::kExclusive));
  ObservedProgress progress(context, "repair index of " + address.label());
  auto repaired = repository::RepairIndex(
      session->repository(), {.read_all_packs = read_all_packs, .lock = session->lock()},
      progress.progress(), context.stop);
  if (repaired) return RepairIndexReport{address.label(), *std::move(repaired)};
  return Fail(std::move(repaired).error().While(
      fmt::format("repair the index of repository {}", Quote(address.label()))));
}

}  // namespace holdfast::jobs
