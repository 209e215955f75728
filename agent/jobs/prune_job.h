// Removes expired safety snapshots, then all data that no snapshot of a repository needs.
#pragma once

#include <string>

#include "agent/jobs/job_context.h"
#include "agent/jobs/repository_session.h"
#include "common/repository/prune.h"

namespace holdfast::jobs {

// JSON: docs/json.md#repository-prune.
struct PruneReport {
  std::string repository;
  bool dry_run = false;
  unsigned safety_forgotten = 0;  // with dry_run: would be, and `prune` counts them as needed
  repository::PruneReport prune;
};
// An exclusive lock is held meanwhile, for a dry run too: what it counts is what a prune would
// find. options.lock is set here.
Result<PruneReport> RunPrune(const JobContext& context, const RepositoryAddress& address,
                             repository::PruneOptions options);

}  // namespace holdfast::jobs
