// Removes expired safety snapshots, then all data that no snapshot needs.
#pragma once

#include <string>

#include "agent/jobs/session/job_context.h"
#include "agent/jobs/session/repository_session.h"
#include "common/repository/maintain/prune.h"

namespace holdfast::jobs {

// JSON: docs/json.md#repository-prune.
struct PruneTaskReport {
  std::string repository;
  bool dry_run = false;
  unsigned safety_forgotten = 0;  // with dry_run: would be; `prune` counts their data as needed
  repository::PruneReport prune;
};
// Holds an exclusive lock, even for a dry run, so that its counts match what a prune would do. Sets
// options.lock.
Result<PruneTaskReport> RunPrune(const JobContext& context, const RepositoryAddress& address,
                                 repository::PruneOptions options);

}  // namespace holdfast::jobs
