// A repository opened for one job: its password read, our dead locks removed, a lock held.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <stop_token>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "agent/jobs/job_context.h"
#include "common/base/secret.h"
#include "common/repository/key_cache.h"
#include "common/repository/lock.h"
#include "common/repository/repository.h"
#include "common/repository/snapshot_reader.h"

namespace holdfast::jobs {

// Where a repository lies, how it opens, and what else its settings say of it.
struct RepositoryAddress {
  std::string name = {};  // as agent.yaml calls it; empty when only a URL was given
  std::string url = {};
  std::string password_file = {};
  std::string password_place = {};  // "agent.yaml:7:20", where the file is named
  std::string compression = "auto";
  bool extra_verify = true;
  unsigned min_keep = kDefaultMinKeep;  // as RepositorySettings
  s3::Settings s3 = {};                 // of an "s3:" URL

  // The name, or the URL where there is none.
  const std::string& label() const { return name.empty() ? url : name; }
};

// "auto", "off", "fast", "max": as settings have it. REQUIRES: one of these.
repository::Compression CompressionOf(std::string_view text);

RepositoryAddress AddressOf(const RepositorySettings& repository);

// The file's text without surrounding white space, as stock restic reads it. kInvalidArgument with
// the place that names it when it is not there or empty; kDenied when group or others have any
// right to it.
Result<Secret> ReadPassword(const RepositoryAddress& address);

enum class LockUse : std::uint8_t {
  kNone,          // reads snapshot files only
  kIfCan,         // reads data: a storage that cannot be written to is read without a lock
  kRequired,      // writes
  kBeforeOthers,  // as kRequired, but our dead locks go only when the new one is held: they may
                  // protect what nothing refers to yet
  kExclusive      // takes away; never of a pool that others use
};

// Of two who lock at the same moment one must give way, which shows a moment later.
enum class LockWait : std::uint8_t {
  kHere,  // Open() waits for that moment
  kLater  // Lock::Settle() does, which is asked before anything is written or told; not where the
          // job would rather wait for the others
};

// Repositories that several jobs of one process have open at the same time: each is opened once,
// with one index and one lock for all its sessions. With the last of them the lock goes; the key
// stays, so that opening it again takes no scrypt, and so does what was read of a small repository,
// so that opening it again reads only what is new. What a session has seen of the index stays seen
// by the next, which has to call LoadIndex() for what others added or took away. Safe to use from
// several threads. Must outlive its sessions; clock and random of all contexts with the same pool
// are the same, and outlive it.
class RepositoryPool {
 public:
  RepositoryPool();
  ~RepositoryPool();
  RepositoryPool(const RepositoryPool&) = delete;
  RepositoryPool& operator=(const RepositoryPool&) = delete;

 private:
  friend class RepositorySession;
  struct Opened;
  struct SharedLock {
    std::unique_ptr<repository::Lock> lock;
    unsigned users = 0;
  };

  Opened& Join(const RepositoryAddress& address);
  void Leave(Opened& opened);

  repository::KeyCache keys_;
  std::mutex mutex_;
  std::map<std::string, std::unique_ptr<Opened>> opened_;  // by all that an address says
};

// Safe to use from several threads once Repository::LoadIndex() has returned.
class RepositorySession {
 public:
  // Errors are of Repository::Open and Lock::AcquireShared, with the repository named.
  static Result<std::unique_ptr<RepositorySession>> Open(const JobContext& context,
                                                         const RepositoryAddress& address,
                                                         LockUse lock_use,
                                                         LockWait wait = LockWait::kHere);
  ~RepositorySession();

  repository::Repository& repository();
  // Null when none is held.
  const repository::Lock* lock() const;
  // With LockWait::kLater: Lock::Settle() with the repository named. Where it fails, whatever else
  // failed may be due to it.
  Result<void> Settle() const;
  const std::vector<std::string>& warnings() const { return warnings_; }
  // Keeps the index for the next run, where that pays; what is in the way of it is noted and does
  // no harm.
  void KeepIndex(const JobContext& context);
  const RepositoryAddress& address() const { return address_; }

 private:
  struct Key {};  // only Open() has one
 public:
  explicit RepositorySession(Key) {}

 private:
  Result<void> OpenRepository(const JobContext& context);
  Result<std::unique_ptr<repository::Lock>> Acquire(const JobContext& context, LockUse lock_use,
                                                    LockWait wait);
  Result<void> TakeLock(const JobContext& context, LockUse lock_use, LockWait wait);
  Result<void> RemoveDeadLocks(const JobContext& context, LockUse lock_use);

  RepositoryAddress address_;
  std::unique_ptr<RepositoryPool> own_pool_;  // where the context has none
  RepositoryPool* pool_ = nullptr;
  RepositoryPool::Opened* opened_ = nullptr;
  RepositoryPool::SharedLock* lock_ = nullptr;
  std::vector<std::string> warnings_;
};

// Stops work that began before the lock was certain, should that be refused.
class StopWhenRefused {
 public:
  // Also stopped by `stop`. The session must outlive the object.
  StopWhenRefused(const RepositorySession& session, const std::stop_token& stop);
  std::stop_token token() const { return source_.get_token(); }

 private:
  std::stop_source source_;
  std::stop_callback<std::function<void()>> on_stop_;
  std::jthread watch_;  // as long as the lock is not certain
};

}  // namespace holdfast::jobs
