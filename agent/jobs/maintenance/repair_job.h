// Repairs a repository's index to match its packs, and removes damaged packs.
#pragma once

#include <string>
#include <vector>

#include "agent/jobs/session/job_context.h"
#include "agent/jobs/session/repository_session.h"
#include "common/repository/maintain/index_repair.h"
#include "common/repository/maintain/pack_repair.h"

namespace holdfast::jobs {

// JSON: docs/json.md#repository-repair-index.
struct RepairIndexReport {
  std::string repository;
  repository::IndexRepairReport index;
};
// Holds an exclusive lock.
Result<RepairIndexReport> RunRepairIndex(const JobContext& context,
                                         const RepositoryAddress& address, bool read_all_packs);

// JSON: docs/json.md#repository-repair-packs.
struct RepairPacksReport {
  std::string repository;
  repository::PackRepairReport packs;
};
// Holds an exclusive lock. kInvalidArgument for an invalid pack id.
Result<RepairPacksReport> RunRepairPacks(const JobContext& context,
                                         const RepositoryAddress& address,
                                         const std::vector<std::string>& packs);

}  // namespace holdfast::jobs
