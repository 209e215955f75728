// restic's repository locks: what keeps prune away from those who write, and writers from prune.
// Rules: docs/repository-format.md#locks.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "common/base/result.h"
#include "common/repository/repository.h"

namespace holdfast::repository {

struct LockInfo {
  Id id;
  UnixTime time;
  bool exclusive = false;
  std::string host;
  std::string user;
  std::uint32_t pid = 0;
};

// A lock that is held while the object lives; a thread of its own refreshes it every five minutes.
class Lock {
 public:
  virtual ~Lock() = default;  // gives the lock back
  // Takes a non-exclusive lock. kBusy names the holder of an exclusive one.
  static Result<std::unique_ptr<Lock>> AcquireShared(Repository& repository);
  // kTimedOut once the lock could not be refreshed for so long that others may hold it stale: who
  // holds it must stop writing. Cheap; writers ask before every pack.
  virtual Result<void> StillHeld() const = 0;
};

Result<std::vector<LockInfo>> ListLocks(Repository& repository);
// Removes locks of this host whose process is gone. Returns how many.
Result<unsigned> RemoveOwnDeadLocks(Repository& repository);

}  // namespace holdfast::repository
