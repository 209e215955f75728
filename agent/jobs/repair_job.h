// Makes a repository's index say again what its packs hold.
#pragma once

#include <string>
#include <vector>

#include "agent/jobs/job_context.h"
#include "agent/jobs/repository_session.h"
#include "common/repository/index_repair.h"

namespace holdfast::jobs {

// JSON: docs/json.md#repository-repair-index.
struct RepairIndexReport {
  std::string repository;
  repository::IndexRepairReport index;
};
// An exclusive lock is held meanwhile.
Result<RepairIndexReport> RunRepairIndex(const JobContext& context,
                                         const RepositoryAddress& address, bool read_all_packs);

}  // namespace holdfast::jobs
