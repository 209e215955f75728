// restic's repository locks: what keeps prune away from those who write, and writers from prune.
// Rules: docs/repository-format.md#locks.
#pragma once

#include <chrono>
#include <functional>
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

// What a lock says of its holder. Stock restic clears a dead lock only when host and pid are real.
struct LockHolder {
  std::string host;
  std::string user;
  std::uint32_t pid = 0;
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  // Of this process.
  static LockHolder Self();
};

struct LockOptions {
  LockHolder holder = LockHolder::Self();
  // Waits between two looks at the storage; tests give one that returns at once. Empty: waits.
  std::function<void(std::chrono::milliseconds)> wait;
  // False: no thread; who holds the lock calls Tick() now and then.
  bool refresh_by_thread = true;
  // The thread takes the second look at the others' locks, too, while the caller begins to read,
  // unless the storage was slow to take the lock. What it sees Settle() tells. REQUIRES:
  // refresh_by_thread.
  bool second_look_by_thread = false;
  // Directory of this machine where it is remembered which locks are held (own_locks.h); empty:
  // nowhere.
  std::string own_locks = {};
};

inline constexpr std::chrono::minutes kLockRefreshInterval{5};
// Others may take a lock of this age for dead.
inline constexpr std::chrono::minutes kLockStaleAge{30};
// Not refreshed for so long, a lock counts as lost: early enough before it looks stale to others.
inline constexpr std::chrono::milliseconds kLockLostAge{22 * 60'000 + 30'000};

// A lock that is held while the object lives; a thread of its own refreshes it every five minutes.
// Safe to use from several threads.
class Lock {
 public:
  virtual ~Lock() = default;  // gives the lock back; should that fail, it goes stale by itself
  // Takes a non-exclusive lock. From the first one on, SIGHUP no longer ends the process, unless it
  // has a handler already: restic sends it to see whether a holder lives. kBusy names the holder of
  // an exclusive one; kCorrupt a lock that cannot be read. The repository must outlive the lock.
  static Result<std::unique_ptr<Lock>> AcquireShared(Repository& repository,
                                                     const LockOptions& options = {});
  // Takes an exclusive lock: nobody else holds any. As above, but kBusy names the holder of any.
  static Result<std::unique_ptr<Lock>> AcquireExclusive(Repository& repository,
                                                        const LockOptions& options = {});
  // With second_look_by_thread: waits for that look, and fails as AcquireShared() would have; the
  // lock is gone then. StillHeld() and Confirm() do so first.
  virtual Result<void> Settle() const = 0;
  // kTimedOut once the lock could not be refreshed for so long that others may hold it stale, or is
  // known to have been removed: who holds it must stop writing. Cheap once it is settled; writers
  // ask before every pack.
  virtual Result<void> StillHeld() const = 0;
  // The same, but the lock's file is looked for in the storage, whose errors it has: to be asked
  // before anything becomes visible.
  virtual Result<void> Confirm() const = 0;
  // Refreshes the lock if it is time to. Its own thread calls it; an error says why the refresh
  // failed, and the next call tries again. A lost lock is taken back only if its file is still
  // there; one whose file is gone stays lost.
  virtual Result<void> Tick() = 0;
  // The lock's file as it is now.
  virtual Id id() const = 0;
};

// Lock::StillHeld(); fine where there is none, because the caller answers for that itself.
inline Result<void> StillHeld(const Lock* lock) {
  return lock == nullptr ? Result<void>{} : lock->StillHeld();
}

// For what a storage may try again for so long that the lock is lost meanwhile.
inline Permit WhileHeld(const Lock* lock) {
  return [lock] { return StillHeld(lock); };
}

// Ascending by time. Empty files, which a torn write leaves, are no locks.
Result<std::vector<LockInfo>> ListLocks(Repository& repository, const LockOptions& options = {});
// Removes those that a process which is gone has left, as far as they were remembered. Returns how
// many.
Result<unsigned> RemoveOwnDeadLocks(Repository& repository, const LockOptions& options = {});
// Whether others may take it for dead: older than kLockStaleAge, or of a process of this host that
// is gone, or is in another container.
bool IsStale(const LockInfo& lock, const LockOptions& options, const Clock& clock);
// Removes the stale ones. Returns how many.
Result<unsigned> RemoveStaleLocks(Repository& repository, const LockOptions& options = {});
// Removes every lock, also one that cannot be read or that somebody holds. Returns how many.
Result<unsigned> RemoveAllLocks(Repository& repository);

}  // namespace holdfast::repository
