// A repository opened for one job: reads its password, removes our dead locks, holds a lock.
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

#include "agent/jobs/session/job_context.h"
#include "common/base/secret.h"
#include "common/repository/store/key_cache.h"
#include "common/repository/store/lock.h"
#include "common/repository/store/repository.h"

namespace holdfast::jobs {

// How to open a repository, and its other settings.
struct RepositoryAddress {
  std::string name;  // in agent.yaml; empty if only a URL was given
  std::string url;
  std::string password_file;
  std::string password_place;  // of its name, e.g. "agent.yaml:7:20"
  std::string compression = "auto";
  bool extra_verify = true;
  unsigned min_keep = kDefaultMinKeep;  // as RepositorySettings
  s3::Settings s3 = {};                 // of an "s3:" URL

  // The name, or the URL if it has none.
  const std::string& label() const { return name.empty() ? url : name; }
};

// `text` is a value from the settings. REQUIRES: "auto", "off", "fast" or "max".
repository::Compression CompressionOf(std::string_view text);

RepositoryAddress AddressOf(const RepositorySettings& repository);

// Returns the file's content without surrounding white space, as stock restic does.
// kInvalidArgument, with the password file's place in agent.yaml, if the file does not exist or is
// empty. kDenied if group or others have any access to it.
Result<Secret> ReadPassword(const RepositoryAddress& address);

enum class LockUse : std::uint8_t {
  kNone,      // reads snapshot files only
  kIfCan,     // reads data: without a lock if the storage is read-only or full
  kRequired,  // writes
  // Like kRequired, but takes its lock before it removes our dead locks, because those may protect
  // data that no snapshot refers to yet.
  kBeforeOthers,
  kExclusive  // removes data; not for a repository that other sessions of the pool use
};

// If two holders lock at the same moment, one must yield. That shows only a moment later.
enum class LockWait : std::uint8_t {
  kHere,  // Open() waits for that moment
  kLater  // The caller calls Lock::Settle() before it writes or reports anything. Same as kHere if
          // the job is to retry a busy lock.
};

// Shares open repositories between concurrent jobs of a process: each is opened once, with one
// index and one lock for all its sessions. Ending the last session releases the lock. The pool
// keeps the key, which saves the scrypt when it is opened again, and the index of a small
// repository, so only new index files are read. A session sees the index that earlier sessions
// loaded, and calls Index::Load() to see changes by others. Safe to use from several threads. Must
// outlive its sessions. All contexts that share a pool must have the same clock and random, which
// must outlive it.
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
  std::map<std::string, std::unique_ptr<Opened>> opened_;  // by all fields of the address
};

// Safe to use from several threads after Index::Load() has returned.
class RepositorySession {
 public:
  // Errors are those of Repository::Open() and the lock, with the repository's name.
  static Result<std::unique_ptr<RepositorySession>> Open(const JobContext& context,
                                                         const RepositoryAddress& address,
                                                         LockUse lock_use,
                                                         LockWait wait = LockWait::kHere);
  ~RepositorySession();

  repository::Repository& repository();
  // Null if no lock is held.
  const repository::Lock* lock() const;
  // With LockWait::kLater: Lock::Settle(), with the repository's name in the error. If it fails,
  // earlier errors may have the same cause.
  Result<void> Settle() const;
  const std::vector<std::string>& warnings() const { return warnings_; }
  // Saves the index cache for later runs, if worthwhile. A failure is noted and otherwise ignored.
  void KeepIndex(const JobContext& context);
  const RepositoryAddress& address() const { return address_; }

 private:
  struct Key {};  // only Open() can create one
 public:
  explicit RepositorySession(Key) {}

 private:
  Result<void> OpenRepository(const JobContext& context);
  Result<std::unique_ptr<repository::Lock>> Acquire(const JobContext& context, LockUse lock_use,
                                                    LockWait wait);
  Result<void> TakeLock(const JobContext& context, LockUse lock_use, LockWait wait);
  Result<void> RemoveDeadLocks(const JobContext& context, LockUse lock_use);

  RepositoryAddress address_;
  std::unique_ptr<RepositoryPool> own_pool_;  // if the context has none
  RepositoryPool* pool_ = nullptr;
  RepositoryPool::Opened* opened_ = nullptr;
  RepositoryPool::SharedLock* lock_ = nullptr;
  std::vector<std::string> warnings_;
};

// Stops work that was begun before the lock was certain, if the lock turns out to be refused.
class StopWhenRefused {
 public:
  // Also stops on `stop`. The session must outlive the object.
  StopWhenRefused(const RepositorySession& session, const std::stop_token& stop);
  std::stop_token token() const { return source_.get_token(); }

 private:
  std::stop_source source_;
  std::stop_callback<std::function<void()>> on_stop_;
  std::jthread watch_;  // until the lock is certain
};

}  // namespace holdfast::jobs
