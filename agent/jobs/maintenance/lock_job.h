// Lists the locks of a repository and removes stale ones.
#pragma once

#include <string>
#include <vector>

#include "agent/jobs/session/job_context.h"
#include "agent/jobs/session/repository_session.h"

namespace holdfast::jobs {

// JSON: docs/json.md#repository-lock-list.
struct LockListReport {
  struct Entry {
    repository::LockInfo lock;
    bool is_stale = false;  // `unlock` removes it
  };
  std::string repository;
  std::vector<Entry> locks;  // by ascending time
};
Result<LockListReport> RunLockList(const JobContext& context, const RepositoryAddress& address);

// JSON: docs/json.md#repository-unlock.
struct UnlockReport {
  std::string repository;
  unsigned removed = 0;
  unsigned left = 0;  // not stale
};
// Removes stale locks. With `all`, removes every lock, even one of a live holder, which stops
// writing only at its next refresh.
Result<UnlockReport> RunUnlock(const JobContext& context, const RepositoryAddress& address,
                               bool all);

}  // namespace holdfast::jobs
