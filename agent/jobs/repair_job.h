// Makes a repository's index say again what its packs hold, and takes damaged packs away.
#pragma once

#include <string>
#include <vector>

#include "agent/jobs/job_context.h"
#include "agent/jobs/repository_session.h"
#include "common/repository/index_repair.h"
#include "common/repository/pack_repair.h"

namespace holdfast::jobs {

// JSON: docs/json.md#repository-repair-index.
struct RepairIndexReport {
  std::string repository;
  repository::IndexRepairReport index;
};
// An exclusive lock is held meanwhile.
Result<RepairIndexReport> RunRepairIndex(const JobContext& context,
                                         const RepositoryAddress& address, bool read_all_packs);

// JSON: docs/json.md#repository-repair-packs.
struct RepairPacksReport {
  std::string repository;
  repository::PackRepairReport packs;
};
// An exclusive lock is held meanwhile. kInvalidArgument for what is no id of a pack.
Result<RepairPacksReport> RunRepairPacks(const JobContext& context,
                                         const RepositoryAddress& address,
                                         const std::vector<std::string>& packs);

}  // namespace holdfast::jobs
