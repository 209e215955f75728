// restic's repository locks, which prevent a prune during a write, and a write during a prune.
// A lock is removed by its holder; by a later process of the same agent, if its holder is dead
// (own_locks.h); and by `unlock` of Holdfast or restic, which asks an operator to know better.
// Rules: docs/repository-format.md#locks.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "common/base/result.h"
#include "common/repository/format/lock_info.h"
#include "common/repository/store/repository.h"

namespace holdfast::repository {

struct LockOptions {
  LockHolder holder = LockHolder::Self();
  // Waits between two accesses to the storage; tests return at once. Empty: a real wait.
  std::function<void(std::chrono::milliseconds)> wait;
  // False: no thread; the holder must call Tick() regularly.
  bool refresh_by_thread = true;
  // The thread also makes the second check for conflicting locks, so that the caller can already
  // read. If taking the lock was slow, the caller waits for the check. Settle() returns its result.
  // REQUIRES: refresh_by_thread.
  bool second_check_by_thread = false;
  // Local directory that records which locks are held (own_locks.h); empty: none.
  std::string own_locks;
};

inline constexpr std::chrono::minutes kLockRefreshInterval{5};
// Others may treat a lock of this age as dead.
inline constexpr std::chrono::minutes kLockStaleAge{30};
// A lock that was not refreshed for this long counts as lost, well before it looks stale to others.
inline constexpr std::chrono::milliseconds kLockLostAge{22 * 60'000 + 30'000};

// A lock that is held while the object exists. A thread refreshes it every five minutes. Safe to
// use from several threads.
class Lock {
 public:
  virtual ~Lock() = default;  // releases the lock; if that fails, it becomes stale
  // Takes a shared lock. kBusy names the holder of an exclusive one; kCorrupt names an unreadable
  // lock. The repository must outlive the lock. From then on, SIGHUP has no effect unless it
  // already has a handler: restic sends it to see whether a holder is alive.
  static Result<std::unique_ptr<Lock>> AcquireShared(Repository& repository,
                                                     const LockOptions& options = {});
  // The same for an exclusive lock, which excludes all others: kBusy names the holder of any.
  static Result<std::unique_ptr<Lock>> AcquireExclusive(Repository& repository,
                                                        const LockOptions& options = {});
  // With second_check_by_thread: waits for the second check, and fails as AcquireShared() would
  // have; the lock is then released. StillHeld() and Confirm() do this first.
  virtual Result<void> Settle() const = 0;
  // kTimedOut if the lock is lost: it was not refreshed for kLockLostAge, or is known to have been
  // removed. The holder must then stop writing. Cheap once the lock is settled; writers call this
  // before every pack.
  virtual Result<void> StillHeld() const = 0;
  // The same, but also checks that the lock's file exists in the storage, and returns the storage's
  // errors. Call it before anything becomes visible.
  virtual Result<void> Confirm() const = 0;
  // Refreshes the lock if it is due; the lock's thread calls this. After an error, the next call
  // tries again. A lost lock can be regained, but only if its file still exists.
  virtual Result<void> Tick() = 0;
  // The current lock file.
  virtual Id id() const = 0;
};

// Lock::StillHeld(). Succeeds if `lock` is null, because the caller is then responsible.
inline Result<void> StillHeld(const Lock* lock) {
  return lock == nullptr ? Result<void>{} : lock->StillHeld();
}

// For operations that a storage may retry for so long that the lock is lost.
inline Permit WhileHeld(const Lock* lock) {
  return [lock] { return StillHeld(lock); };
}

// Ascending by time. Ignores empty files, which torn writes leave.
Result<std::vector<LockInfo>> ListLocks(Repository& repository, const LockOptions& options = {});
// Removes locks that dead processes left, if they were recorded in LockOptions::own_locks. Returns
// how many.
Result<unsigned> RemoveOwnDeadLocks(Repository& repository, const LockOptions& options = {});
// Whether others may treat the lock as dead: it is older than kLockStaleAge, or from a process of
// this host that is gone or in another container.
bool IsStale(const LockInfo& lock, const LockOptions& options, const Clock& clock);
// Removes stale locks. Returns how many.
Result<unsigned> RemoveStaleLocks(Repository& repository, const LockOptions& options = {});
// Removes every lock, even one that is unreadable or held. Returns how many.
Result<unsigned> RemoveAllLocks(Storage& storage);

}  // namespace holdfast::repository
