// Copies snapshots from one repository to another.
#pragma once

#include <string>
#include <vector>

#include "agent/jobs/session/job_context.h"
#include "agent/jobs/session/repository_session.h"
#include "common/repository/maintain/copy.h"

namespace holdfast::jobs {

struct CopyJobOptions {
  std::vector<std::string> snapshots;  // as FindSnapshot() takes them; empty: all
  std::string selector;                // only of these sources, "kind/name" with `*`; empty: all
  bool dry_run = false;
};

// JSON: docs/json.md#repository-copy.
struct CopyJobReport {
  std::string repository;
  std::string to;
  bool dry_run = false;
  repository::CopyReport copy;

  std::size_t CountOf(repository::SnapshotCopy::State state) const;
};

// Holds non-exclusive locks of both repositories. Fails before copying anything with kNotFound if a
// named snapshot does not exist, and with kInvalidArgument if both repositories are the same.
// Errors while copying are in the report.
Result<CopyJobReport> RunCopy(const JobContext& context, const RepositoryAddress& from,
                              const RepositoryAddress& to, const CopyJobOptions& options);

}  // namespace holdfast::jobs
