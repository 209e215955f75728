// Takes away what no snapshot of a repository needs any more.
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
  repository::PruneReport prune;
};
// An exclusive lock is held meanwhile, for a dry run too: what it counts is what a prune would
// find. options.lock is set here.
Result<PruneReport> RunPrune(const JobContext& context, const RepositoryAddress& address,
                             repository::PruneOptions options);

}  // namespace holdfast::jobs
