#include "agent/jobs/maintenance/repair_job.h"

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

Result<RepairPacksReport> RunRepairPacks(const JobContext& context,
                                         const RepositoryAddress& address,
                                         const std::vector<std::string>& packs) {
  std::vector<repository::Id> ids;
  for (const std::string& text : packs) {
    Result<repository::Id> id = repository::ParseId(text);
    if (!id) {
      return Fail(ErrorCode::kInvalidArgument,
                  fmt::format("{} is not the id of a pack", Quote(text)),
                  "`holdfast-agent check --read-data` prints the full ids of damaged packs");
    }
    ids.push_back(*id);
  }
  HF_ASSIGN(auto session, RepositorySession::Open(context, address, LockUse::kExclusive));
  const auto repair = [&]() -> Result<repository::PackRepairReport> {
    HF_TRY(session->repository().index().Load(context.stop));
    ObservedProgress progress(context, "repair packs of " + address.label());
    return repository::RepairPacks(session->repository(), ids, {session->lock()},
                                   progress.progress(), context.stop);
  };
  auto repaired = repair();
  if (repaired) return RepairPacksReport{address.label(), *std::move(repaired)};
  return Fail(std::move(repaired).error().While(
      fmt::format("repair packs of repository {}", Quote(address.label()))));
}

}  // namespace holdfast::jobs
