#include "common/repository/store/lock.h"

#include <pwd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <condition_variable>
#include <csignal>
#include <map>
#include <mutex>
#include <optional>
#include <thread>

#include "common/base/crash_point.h"
#include "common/base/format.h"
#include "common/base/wait.h"
#include "common/crypto/sha256.h"
#include "common/repository/format/records.h"
#include "common/repository/store/own_locks.h"

namespace holdfast::repository {
namespace {

// Delay before the second check, so that a process locking at the same moment sees our lock.
constexpr std::chrono::milliseconds kSecondCheckDelay{200};
// How often the thread checks whether a refresh is due, or retries a failed one.
constexpr std::chrono::seconds kTickInterval{10};

void Wait(const LockOptions& options, std::chrono::milliseconds time) {
  if (options.wait) return options.wait(time);
  (void)WaitFor(time);
}

std::chrono::seconds AgeOf(const LockInfo& lock, const Clock& clock) {
  const auto now = std::chrono::floor<std::chrono::seconds>(clock.Now().time_since_epoch());
  return now - std::chrono::seconds(lock.time.seconds);
}

// Whether no process here has the pid of the lock's holder. The holder is then gone, or in another
// container that shares this host's name.
bool SeemsGone(const LockInfo& lock, const LockHolder& self) {
  return lock.host == self.host && lock.pid != 0 && kill(static_cast<pid_t>(lock.pid), 0) != 0 &&
         errno == ESRCH;
}

// nullopt if the lock was released since it was listed.
Result<std::optional<LockInfo>> LoadLock(SealedFiles& files, const FileInfo& file,
                                         const LockOptions& options) {
  HF_ASSIGN(Id id, ParseId(file.name.name));
  // Retries as restic does, for storages that list a file before all of its content is readable.
  for (std::chrono::seconds pause : {std::chrono::seconds(5), std::chrono::seconds(10),
                                     std::chrono::seconds(20), std::chrono::seconds(0)}) {
    Result<LockInfo> lock = [&]() -> Result<LockInfo> {
      HF_ASSIGN(Bytes json, files.LoadCached(FileKind::kLock, id));
      return DecodeLock(json);
    }();
    if (lock) {
      lock->id = id;
      return std::optional<LockInfo>(*std::move(lock));
    }
    if (lock.error().code() == ErrorCode::kNotFound) return std::optional<LockInfo>();
    if (pause.count() == 0) {
      return Fail(std::move(lock)
                      .error()
                      .While(fmt::format("read lock \"{}\"", FilePath(file.name)))
                      .WithHint("if no other process uses the repository, \"holdfast-agent unlock "
                                "--remove-all\" removes it"));
    }
    Wait(options, pause);
  }
  return std::optional<LockInfo>();
}

// kBusy if another lock conflicts. `own` is the lock being taken; zero before it is written.
Result<void> RefuseConflict(Repository& repository, const LockOptions& options, bool exclusive,
                            const Id& own) {
  HF_ASSIGN(std::vector<LockInfo> locks, ListLocks(repository, options));
  for (const LockInfo& lock : locks) {
    if (lock.id == own || (!lock.exclusive && !exclusive)) continue;
    std::string hint = "wait until it is done, e.g. with --retry-lock 10m";
    if (SeemsGone(lock, options.holder)) {
      hint =
          "no process on this host has that pid: unless it runs in a container with this host's "
          "name, run \"holdfast-agent unlock\"";
    } else if (AgeOf(lock, repository.clock()) > kLockStaleAge) {
      hint =
          "it is stale; make sure that the process has ended, then run \"holdfast-agent unlock\"";
    }
    return Fail(ErrorCode::kBusy,
                fmt::format("locked by {}@{}, pid {}, since {}", lock.user, lock.host, lock.pid,
                            FormatTime(lock.time.seconds, 0)),
                std::move(hint));
  }
  return {};
}

// Stock restic checks for a holder on its own host by sending it SIGHUP, which by default ends a
// process. Unlike ignoring the signal, an empty handler is not inherited by the programs that we
// start.
void SurviveProbes() {
  static const bool done = [] {
    struct sigaction now {};
    if (sigaction(SIGHUP, nullptr, &now) != 0 || now.sa_handler != SIG_DFL) return false;
    now.sa_handler = [](int) {};
    now.sa_flags = SA_RESTART;
    return sigaction(SIGHUP, &now, nullptr) == 0;
  }();
  (void)done;
}

class HeldLock final : public Lock {
 public:
  HeldLock(Repository& repository, LockOptions options, bool exclusive)
      : repository_(repository),
        options_(std::move(options)),
        exclusive_(exclusive),
        own_(options_.own_locks, repository.config().id) {}

  ~HeldLock() override {
    if (thread_.joinable()) {
      thread_.request_stop();
      thread_.join();
    }
    if (!current_.id.IsZero()) forgotten_.push_back(current_.id);
    RemoveForgotten();
  }

  Result<void> Acquire() {
    HF_CHECK(options_.refresh_by_thread || !options_.second_check_by_thread);
    SurviveProbes();
    const Instant begin = repository_.clock().Monotonic();
    HF_TRY(RefuseConflict(repository_, options_, exclusive_, {}));
    HF_ASSIGN(Written written, Write());
    Adopt(written);
    CrashPoint("repository.lock.after_put");
    // If this took long, another process may have locked after our first check, and checked again
    // before our lock existed. It may be changing the repository now, so nothing may be read before
    // our second check.
    const bool is_slow = repository_.clock().Monotonic() - begin >= kSecondCheckDelay / 2;
    is_checking_again_ = options_.second_check_by_thread && !is_slow;
    if (!is_checking_again_) HF_TRY(CheckAgain(written.id));
    if (options_.refresh_by_thread) {
      thread_ = std::jthread([this, begins_checking = is_checking_again_,
                              own = written.id](const std::stop_token& stop) {
        if (!begins_checking || CheckAgainOnThread(own)) TickUntil(stop);
      });
    }
    return {};
  }

  Result<void> Settle() const override {
    std::unique_lock state(state_mutex_);
    checked_again_.wait(state, [this] { return !is_checking_again_; });
    return refusal_ ? Fail(*refusal_) : Result<void>();
  }

  Result<void> StillHeld() const override {
    HF_TRY(Settle());
    std::lock_guard state(state_mutex_);
    if (is_removed_) return Fail(Removed());
    const auto age = Age();
    if (age < kLockLostAge) return {};
    std::string text = fmt::format("the repository's lock was lost, {} after its last refresh",
                                   FormatDuration(age));
    if (last_error_) text += ": " + last_error_->message();
    return Fail(ErrorCode::kTimedOut, std::move(text),
                "run the same command again; it reuses the data that is already stored");
  }

  Result<void> Confirm() const override {
    HF_TRY(StillHeld());
    HF_TRY(RequireFile());
    return StillHeld();
  }

  Result<void> Tick() override {
    std::lock_guard tick(tick_mutex_);
    RemoveForgotten();
    Result<void> refreshed = RefreshIfDue();
    std::lock_guard state(state_mutex_);
    last_error_ = refreshed ? std::nullopt : std::optional<Error>(refreshed.error());
    return refreshed;
  }

  Id id() const override {
    std::lock_guard state(state_mutex_);
    return current_.id;
  }

 private:
  // If two processes take locks at the same moment, at least one now sees the other's. The
  // destructor removes our own file.
  Result<void> CheckAgain(const Id& own) {
    Wait(options_, kSecondCheckDelay);
    return RefuseConflict(repository_, options_, exclusive_, own);
  }

  // The second check on the thread. Returns whether the lock is held.
  bool CheckAgainOnThread(const Id& own) {
    Result<void> checked = CheckAgain(own);
    const bool is_held = checked.has_value();
    std::lock_guard tick(tick_mutex_);
    {
      std::lock_guard state(state_mutex_);
      is_checking_again_ = false;
      if (!is_held) {
        refusal_ = std::move(checked).error().While("lock the repository");
        forgotten_.push_back(std::exchange(current_.id, {}));
      }
    }
    checked_again_.notify_all();
    RemoveForgotten();  // blocks others no longer than necessary
    return is_held;
  }

  // Time since the last refresh, by the clock that advanced more: one stands still while the
  // machine sleeps, the other may be set back. REQUIRES: state_mutex_ is held.
  std::chrono::nanoseconds Age() const {
    const Clock& clock = repository_.clock();
    return std::max<std::chrono::nanoseconds>(clock.Now() - current_.wall,
                                              clock.Monotonic() - current_.steady);
  }

  struct Written {
    Id id;
    WallTime wall;
    Instant steady;
  };

  // Writes a new lock file, which is not ours before Adopt(). If it is unknown whether it was
  // written, own_ keeps it as the lock of a dead holder.
  Result<Written> Write() {
    Written written{{}, repository_.clock().Now(), repository_.clock().Monotonic()};
    const LockRecord record{written.wall, exclusive_, options_.holder};
    const Bytes sealed = repository_.files().Seal(AsBytes(EncodeLock(record)));
    written.id = Id{crypto::Sha256Of(sealed)};
    std::optional<FileLock> remembered = own_.Remember(written.id);
    Result<Id> stored = repository_.files().Store(FileKind::kLock, sealed);
    if (!stored) {
      const Error& error = stored.error();
      if (!error.retryable() && error.code() != ErrorCode::kCancelled) own_.Forget(written.id);
      return Fail(std::move(stored).error());
    }
    if (remembered) remembered_.emplace(written.id, *std::move(remembered));
    return written;
  }

  void Adopt(const Written& written) {
    std::lock_guard state(state_mutex_);
    if (!current_.id.IsZero()) forgotten_.push_back(current_.id);
    current_ = written;
  }

  Result<void> RefreshIfDue() {
    {
      std::lock_guard state(state_mutex_);
      if (refusal_) return Fail(*refusal_);
      if (is_removed_) return Fail(Removed());
      if (Age() < kLockRefreshInterval) return {};
    }
    // A process that treats our lock as dead removes its file, so while the file exists, none did.
    // The second check, after the new file was written, closes the gap in between.
    HF_TRY(RequireFile());
    HF_ASSIGN(Written written, Write());
    Result<void> still_there = RequireFile();
    if (still_there) {
      Adopt(written);
    } else {
      forgotten_.push_back(written.id);
    }
    RemoveForgotten();
    return still_there;
  }

  // Fails permanently if our file is gone. A refresh on another thread removes an old file only
  // after it has set the new id, so a changed id means that the new file must be checked.
  Result<void> RequireFile() const {
    for (;;) {
      const Id file = id();
      const Result<FileInfo> found = repository_.storage().Stat({FileKind::kLock, file.Hex()});
      if (found) return {};
      if (found.error().code() != ErrorCode::kNotFound) {
        return Fail(Error(found.error()).While("check the repository's lock"));
      }
      std::lock_guard state(state_mutex_);
      if (current_.id != file) continue;
      is_removed_ = true;
      return Fail(Removed());
    }
  }

  static Error Removed() {
    return Error(ErrorCode::kTimedOut, "the repository's lock was lost: another process removed it")
        .WithHint(
            "the data of this run may already be pruned: run the same command again, and never "
            "remove the lock of a running process");
  }

  // A file that cannot be removed now is tried again at the next tick and at the end. After that,
  // the next process to lock the repository on this machine removes it, or else "repository
  // unlock".
  void RemoveForgotten() {
    std::erase_if(forgotten_, [&](const Id& id) {
      const Result<void> removed = repository_.storage().Remove({FileKind::kLock, id.Hex()});
      if (!removed && removed.error().code() != ErrorCode::kNotFound) return false;
      own_.Forget(id);
      remembered_.erase(id);
      return true;
    });
  }

  void TickUntil(const std::stop_token& stop) {
    while (WaitFor(kTickInterval, stop)) {
      (void)Tick();  // StillHeld() reports the error to the writer
    }
  }

  Repository& repository_;
  const LockOptions options_;
  const bool exclusive_;
  const LocalLocks own_;
  std::mutex tick_mutex_;              // one Tick() at a time; taken before state_mutex_
  std::vector<Id> forgotten_;          // our files to be removed; guarded by tick_mutex_
  std::map<Id, FileLock> remembered_;  // of all our files; guarded by tick_mutex_
  mutable std::mutex state_mutex_;
  Written current_;                  // its id is zero before the first lock file
  mutable bool is_removed_ = false;  // by another process, permanently
  std::optional<Error> last_error_;
  bool is_checking_again_ = false;  // on the thread
  mutable std::condition_variable checked_again_;
  std::optional<Error> refusal_;  // the error of the second check
  std::jthread thread_;
};

Result<std::unique_ptr<Lock>> Acquire(Repository& repository, const LockOptions& options,
                                      bool exclusive) {
  auto lock = std::make_unique<HeldLock>(repository, options, exclusive);
  Result<void> acquired = lock->Acquire();
  if (!acquired) return Fail(std::move(acquired).error());
  return lock;
}

}  // namespace

LockHolder LockHolder::Self() {
  LockHolder self;
  std::array<char, 256> host{};
  if (gethostname(host.data(), host.size() - 1) == 0) self.host = host.data();
  self.pid = static_cast<std::uint32_t>(getpid());
  self.uid = getuid();
  self.gid = getgid();
  std::array<char, 4096> buffer;
  passwd entry{};
  passwd* found = nullptr;
  const bool has_name =
      getpwuid_r(self.uid, &entry, buffer.data(), buffer.size(), &found) == 0 && found != nullptr;
  self.user = has_name ? found->pw_name : fmt::format("{}", self.uid);
  return self;
}

Result<std::unique_ptr<Lock>> Lock::AcquireShared(Repository& repository,
                                                  const LockOptions& options) {
  return Acquire(repository, options, false);
}

Result<std::unique_ptr<Lock>> Lock::AcquireExclusive(Repository& repository,
                                                     const LockOptions& options) {
  return Acquire(repository, options, true);
}

Result<std::vector<LockInfo>> ListLocks(Repository& repository, const LockOptions& options) {
  std::vector<FileInfo> files;
  HF_TRY(repository.storage().List(FileKind::kLock, [&](const FileInfo& file) -> Result<void> {
    if (file.size > kRecordBytesMax) {
      return Fail(ErrorCode::kCorrupt,
                  fmt::format("lock \"{}\" has {}", FilePath(file.name), FormatBytes(file.size)));
    }
    if (file.size > 0) files.push_back(file);
    return {};
  }));
  std::vector<LockInfo> locks;
  for (const FileInfo& file : files) {
    HF_ASSIGN(std::optional<LockInfo> lock, LoadLock(repository.files(), file, options));
    if (lock) locks.push_back(*std::move(lock));
  }
  std::ranges::sort(locks, {}, &LockInfo::time);
  return locks;
}

namespace {

// Returns whether the lock existed.
Result<bool> RemoveLock(Storage& storage, const std::string& name) {
  Result<void> gone = storage.Remove({FileKind::kLock, name});
  if (gone) return true;
  if (gone.error().code() == ErrorCode::kNotFound) return false;
  return Fail(std::move(gone).error().While("remove a lock"));
}

}  // namespace

Result<unsigned> RemoveOwnDeadLocks(Repository& repository, const LockOptions& options) {
  const LocalLocks own(options.own_locks, repository.config().id);
  unsigned removed = 0;
  for (const Id& lock : own.DeadLocks()) {
    HF_ASSIGN(const bool was_there, RemoveLock(repository.storage(), lock.Hex()));
    if (was_there) ++removed;
    own.Forget(lock);
  }
  return removed;
}

Result<unsigned> RemoveStaleLocks(Repository& repository, const LockOptions& options) {
  HF_ASSIGN(std::vector<LockInfo> locks, ListLocks(repository, options));
  unsigned removed = 0;
  for (const LockInfo& lock : locks) {
    if (!IsStale(lock, options, repository.clock())) continue;
    HF_ASSIGN(const bool was_there, RemoveLock(repository.storage(), lock.id.Hex()));
    if (was_there) ++removed;
  }
  return removed;
}

Result<unsigned> RemoveAllLocks(Storage& storage) {
  HF_ASSIGN(const std::vector<FileInfo> files, ListFiles(storage, FileKind::kLock));
  unsigned removed = 0;
  for (const FileInfo& file : files) {
    HF_ASSIGN(const bool was_there, RemoveLock(storage, file.name.name));
    if (was_there) ++removed;
  }
  return removed;
}

bool IsStale(const LockInfo& lock, const LockOptions& options, const Clock& clock) {
  return AgeOf(lock, clock) > kLockStaleAge || SeemsGone(lock, options.holder);
}

}  // namespace holdfast::repository
