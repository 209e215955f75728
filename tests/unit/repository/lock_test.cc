#include "common/repository/store/lock.h"

#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <future>

#include "common/io/atomic_file.h"
#include "common/repository/format/records.h"
#include "common/repository/maintain/prune.h"
#include "common/repository/store/own_locks.h"
#include "common/storage/retry_storage.h"
#include "tests/support/catch.h"
#include "tests/support/faulty_repository.h"
#include "tests/support/forwarding_storage.h"
#include "tests/support/items.h"

namespace holdfast::repository {
namespace {
using testing::Fault;
using testing::FaultyRepository;
using testing::FaultyStorage;
using testing::RepositoryFixture;
using testing::StorageCall;
using testing::Unwrap;

// The pid of a process that has ended.
std::uint32_t DeadPid() {
  const pid_t child = fork();
  if (child == 0) _exit(0);
  REQUIRE(waitpid(child, nullptr, 0) == child);
  return static_cast<std::uint32_t>(child);
}

struct LockFixture : RepositoryFixture {
  Id PutLock(bool exclusive, LockHolder holder, std::chrono::minutes age = {}) {
    const LockRecord record{clock.Now() - age, exclusive, std::move(holder)};
    return Unwrap(repository->files().Save(FileKind::kLock, AsBytes(EncodeLock(record))));
  }
  Result<std::unique_ptr<Lock>> AcquireShared() {
    return Lock::AcquireShared(*repository, lock_options());
  }
  Result<std::unique_ptr<Lock>> AcquireExclusive() {
    return Lock::AcquireExclusive(*repository, lock_options());
  }
  std::vector<LockInfo> Locks() { return Unwrap(ListLocks(*repository, lock_options())); }
  bool Exists(const Id& id) { return storage.Stat({FileKind::kLock, id.Hex()}).has_value(); }

  FaultyRepository faulty{*this};
  FaultyStorage& faults = faulty.faults;
  std::unique_ptr<Repository>& repository = faulty.repository;
};

// With a local directory in which locks are recorded.
struct RememberingFixture : LockFixture {
  LockOptions Remembering() const {
    LockOptions options = lock_options();
    options.own_locks = directory.path();
    return options;
  }
  unsigned RemoveDead() { return Unwrap(RemoveOwnDeadLocks(*repository, Remembering())); }
  // Locks of dead and living processes.
  std::vector<Id> Remembered() const {
    std::vector<Id> remembered;
    for (const auto& entry : std::filesystem::directory_iterator(directory.path())) {
      const std::string name = entry.path().filename().string();
      remembered.push_back(Unwrap(ParseId(name.substr(name.rfind('-') + 1))));
    }
    return remembered;
  }

  TempDir directory = Unwrap(TempDir::Create("locks"));
  LocalLocks own{directory.path(), repository->config().id};
};

LockHolder Stranger() { return {.host = "elsewhere", .user = "eve", .pid = 7, .uid = 5, .gid = 6}; }

TEST_CASE("lock: an exclusive lock excludes all others") {
  LockFixture fixture;
  {
    auto lock = Unwrap(fixture.AcquireExclusive());
    REQUIRE(fixture.Locks()[0].exclusive);
    REQUIRE_FAILS(fixture.AcquireShared(), ErrorCode::kBusy, "locked by");
    REQUIRE_FAILS(fixture.AcquireExclusive(), ErrorCode::kBusy, "locked by");
  }
  auto shared = Unwrap(fixture.AcquireShared());
  REQUIRE_FAILS(fixture.AcquireExclusive(), ErrorCode::kBusy, "locked by");
  REQUIRE(fixture.CountFiles(FileKind::kLock) == 1);
}

TEST_CASE("lock: exists while it is held, and is removed afterwards") {
  LockFixture fixture;
  {
    auto lock = Unwrap(fixture.AcquireShared());
    const auto locks = fixture.Locks();
    REQUIRE(locks.size() == 1);
    REQUIRE(locks[0].id == lock->id());
    REQUIRE(locks[0].pid == static_cast<std::uint32_t>(getpid()));
    REQUIRE_FALSE(locks[0].exclusive);
    REQUIRE_OK(lock->StillHeld());
  }
  REQUIRE(fixture.CountFiles(FileKind::kLock) == 0);
}

TEST_CASE("lock: several shared locks coexist") {
  LockFixture fixture;
  auto one = Unwrap(fixture.AcquireShared());
  auto two = Unwrap(fixture.AcquireShared());

  REQUIRE(fixture.CountFiles(FileKind::kLock) == 2);
}

TEST_CASE("lock: an exclusive lock keeps others out, and is named") {
  LockFixture fixture;
  const auto age = GENERATE(std::chrono::minutes(1), std::chrono::minutes(45));
  fixture.PutLock(true, Stranger(), age);

  const auto lock = fixture.AcquireShared();

  REQUIRE_FAILS(lock, ErrorCode::kBusy, "eve@elsewhere, pid 7");
  REQUIRE((lock.error().hint().find("holdfast-agent unlock") != std::string::npos) ==
          (age > kLockStaleAge));
  REQUIRE(fixture.CountFiles(FileKind::kLock) == 1);
}

TEST_CASE("lock: an exclusive lock taken at the same time is found by the second check") {
  LockFixture fixture;
  LockOptions options = fixture.lock_options();
  options.wait = [&](std::chrono::milliseconds time) {
    REQUIRE(time == std::chrono::milliseconds(200));
    fixture.PutLock(true, Stranger());
  };

  REQUIRE_FAILS(Lock::AcquireShared(*fixture.repository, options), ErrorCode::kBusy, "eve");
  REQUIRE(fixture.CountFiles(FileKind::kLock) == 1);  // ours was removed again
}

TEST_CASE("lock: an exclusive lock gives way to a shared one found by the second check") {
  LockFixture fixture;
  LockOptions options = fixture.lock_options();
  options.wait = [&](std::chrono::milliseconds) { fixture.PutLock(false, Stranger()); };

  REQUIRE_FAILS(Lock::AcquireExclusive(*fixture.repository, options), ErrorCode::kBusy, "eve");
  REQUIRE(fixture.CountFiles(FileKind::kLock) == 1);
}

TEST_CASE("lock: a second check in the background must pass before anything is written") {
  LockFixture fixture;
  std::promise<void> may_look;
  LockOptions options = fixture.lock_options();
  options.refresh_by_thread = options.second_check_by_thread = true;
  options.wait = [&](std::chrono::milliseconds time) {
    if (time == std::chrono::milliseconds(200)) may_look.get_future().wait();
  };
  const bool has_rival = GENERATE(false, true);
  {
    const auto lock = Unwrap(Lock::AcquireShared(*fixture.repository, options));
    REQUIRE(fixture.CountFiles(FileKind::kLock) == 1);
    std::future<Result<void>> held =
        std::async(std::launch::async, [&] { return lock->StillHeld(); });
    std::future<Result<void>> confirmed =
        std::async(std::launch::async, [&] { return lock->Confirm(); });
    if (has_rival) fixture.PutLock(true, Stranger());
    may_look.set_value();
    if (has_rival) {
      REQUIRE_FAILS(held.get(), ErrorCode::kBusy, "eve@elsewhere, pid 7");
      REQUIRE_FAILS(confirmed.get(), ErrorCode::kBusy, "eve@elsewhere, pid 7");
      REQUIRE_FAILS(lock->StillHeld(), ErrorCode::kBusy, "eve");
      // It stays until its holder has noticed. A tick waits for the check too.
      REQUIRE_FAILS(lock->Tick(), ErrorCode::kBusy, "eve");
      REQUIRE(fixture.CountFiles(FileKind::kLock) == 1);
    } else {
      REQUIRE_OK(held.get());
      REQUIRE_OK(confirmed.get());
      REQUIRE_OK(lock->StillHeld());
    }
  }
  REQUIRE(fixture.CountFiles(FileKind::kLock) == (has_rival ? 1U : 0U));
}

TEST_CASE("lock: with a slow storage the second check comes before everything else") {
  class SlowStorage final : public testing::ForwardingStorage {
   public:
    SlowStorage(Storage& inner, testing::ManualClock& clock)
        : ForwardingStorage(inner), clock_(clock) {}
    Result<void> Put(const FileName& name, ByteView content, PutMode mode) override {
      clock_.Advance(std::chrono::milliseconds(150));
      return ForwardingStorage::Put(name, content, mode);
    }

   private:
    testing::ManualClock& clock_;
  };
  LockFixture fixture;
  const auto slow = fixture.OpenOn(std::make_unique<SlowStorage>(fixture.storage, fixture.clock));
  LockOptions options = fixture.lock_options();
  options.refresh_by_thread = options.second_check_by_thread = true;
  options.wait = [&](std::chrono::milliseconds) { fixture.PutLock(true, Stranger()); };

  REQUIRE_FAILS(Lock::AcquireShared(*slow, options), ErrorCode::kBusy, "eve");
}

TEST_CASE("lock: an exclusive lock stays exclusive when refreshed") {
  LockFixture fixture;
  auto lock = Unwrap(fixture.AcquireExclusive());
  const Id first = lock->id();
  fixture.clock.Advance(std::chrono::minutes(6));
  REQUIRE_OK(lock->Tick());

  REQUIRE(lock->id() != first);
  const std::vector<LockInfo> locks = fixture.Locks();
  REQUIRE(locks.size() == 1);
  REQUIRE(locks[0].exclusive);
}

TEST_CASE("lock: stale locks are removed, those that may be held stay") {
  LockFixture fixture;
  fixture.PutLock(true, Stranger());
  fixture.clock.Advance(std::chrono::minutes(31));
  auto held = Unwrap([&] {
    // The stale lock conflicts until it is removed.
    REQUIRE_FAILS(fixture.AcquireShared(), ErrorCode::kBusy, "eve");
    CHECK(Unwrap(RemoveStaleLocks(*fixture.repository, fixture.lock_options())) == 1);
    return fixture.AcquireShared();
  }());
  fixture.PutLock(false, Stranger());

  CHECK(Unwrap(RemoveStaleLocks(*fixture.repository, fixture.lock_options())) == 0);
  CHECK(fixture.CountFiles(FileKind::kLock) == 2);
  CHECK(Unwrap(RemoveAllLocks(fixture.repository->storage())) == 2);
}

TEST_CASE("lock: is refreshed every five minutes by a new file") {
  LockFixture fixture;
  auto lock = Unwrap(fixture.AcquireShared());
  const Id first = lock->id();

  fixture.clock.Advance(std::chrono::minutes(4));
  REQUIRE_OK(lock->Tick());
  REQUIRE(lock->id() == first);
  fixture.clock.Advance(std::chrono::minutes(1));
  REQUIRE_OK(lock->Tick());

  REQUIRE(lock->id() != first);
  REQUIRE_FALSE(fixture.Exists(first));
  REQUIRE(fixture.CountFiles(FileKind::kLock) == 1);
}

TEST_CASE("lock: is lost after too long without a refresh") {
  LockFixture fixture;
  auto lock = Unwrap(fixture.AcquireShared());
  fixture.faults.Set({.calls = {StorageCall::kPut}});

  fixture.clock.Advance(std::chrono::minutes(22));
  REQUIRE_FAILS(lock->Tick(), ErrorCode::kUnavailable, "injected");
  REQUIRE_OK(lock->StillHeld());
  fixture.clock.Advance(std::chrono::minutes(1));

  REQUIRE_FAILS(lock->StillHeld(), ErrorCode::kTimedOut, "injected");
}

TEST_CASE("lock: time asleep counts, whichever clock noticed it") {
  LockFixture fixture;
  auto lock = Unwrap(fixture.AcquireShared());

  fixture.clock.Jump(std::chrono::minutes(23));

  REQUIRE_FAILS(lock->StillHeld(), ErrorCode::kTimedOut, "lost");
}

TEST_CASE("lock: an overdue lock is recovered while its file exists") {
  LockFixture fixture;
  auto lock = Unwrap(fixture.AcquireShared());
  fixture.clock.Jump(std::chrono::hours(2));

  REQUIRE_OK(lock->Tick());

  REQUIRE_OK(lock->StillHeld());
  REQUIRE(fixture.CountFiles(FileKind::kLock) == 1);
}

TEST_CASE("lock: a removed lock stays lost") {
  LockFixture fixture;
  auto lock = Unwrap(fixture.AcquireShared());
  fixture.clock.Jump(std::chrono::hours(2));
  Unwrap(fixture.storage.Remove({FileKind::kLock, lock->id().Hex()}));

  REQUIRE_FAILS(lock->Tick(), ErrorCode::kTimedOut, "removed");
  REQUIRE_FAILS(lock->StillHeld(), ErrorCode::kTimedOut, "lost");
  REQUIRE_FAILS(lock->Tick(), ErrorCode::kTimedOut, "removed");
  REQUIRE(fixture.CountFiles(FileKind::kLock) == 0);
}

TEST_CASE("lock: a file that could not be removed is removed later") {
  LockFixture fixture;
  auto lock = Unwrap(fixture.AcquireShared());
  fixture.clock.Advance(std::chrono::minutes(5));
  fixture.faults.Set({.calls = {StorageCall::kRemove}});
  REQUIRE_OK(lock->Tick());
  REQUIRE(fixture.CountFiles(FileKind::kLock) == 2);

  fixture.faults.Clear();
  REQUIRE_OK(lock->Tick());

  REQUIRE(fixture.CountFiles(FileKind::kLock) == 1);
}

// A container may have this host's name, but its pid means nothing outside.
TEST_CASE("lock: a lock whose process only seems dead stays until it is removed explicitly") {
  RememberingFixture fixture;
  LockHolder elsewhere = LockHolder::Self();
  elsewhere.pid = DeadPid();
  const Id lock = fixture.PutLock(false, elsewhere);

  REQUIRE(fixture.RemoveDead() == 0);

  REQUIRE(fixture.Exists(lock));
  REQUIRE(Unwrap(RemoveStaleLocks(*fixture.repository, fixture.lock_options())) == 1);
}

TEST_CASE("lock: locks of dead processes are removed, and held ones are not") {
  RememberingFixture fixture;
  const Id left = fixture.PutLock(true, LockHolder::Self());
  (void)fixture.own.Remember(left);  // drops the record's file lock, as if the process had died
  const Id never_written{{7}};
  (void)fixture.own.Remember(never_written);
  const LocalLocks of_other_repository(fixture.directory.path(), std::string(64, 'a'));
  (void)of_other_repository.Remember(left);
  LockHolder elsewhere = LockHolder::Self();
  elsewhere.pid = DeadPid();
  const Id alive = fixture.PutLock(false, elsewhere);
  const std::optional<FileLock> held = fixture.own.Remember(alive);
  REQUIRE(held);

  REQUIRE(fixture.RemoveDead() == 1);

  REQUIRE_FALSE(fixture.Exists(left));
  REQUIRE(fixture.Exists(alive));
  REQUIRE(fixture.own.DeadLocks().empty());
  REQUIRE(of_other_repository.DeadLocks() == std::vector<Id>{left});
}

TEST_CASE("lock: is recorded while it exists, under its current name") {
  RememberingFixture fixture;
  {
    auto lock = Unwrap(Lock::AcquireShared(*fixture.repository, fixture.Remembering()));
    REQUIRE(fixture.Remembered() == std::vector<Id>{lock->id()});
    fixture.clock.Advance(std::chrono::minutes(5));
    REQUIRE_OK(lock->Tick());
    REQUIRE(fixture.Remembered() == std::vector<Id>{lock->id()});
    REQUIRE(fixture.RemoveDead() == 0);
    REQUIRE_OK(lock->StillHeld());
  }
  REQUIRE(fixture.Remembered().empty());
  REQUIRE(fixture.CountFiles(FileKind::kLock) == 0);
}

TEST_CASE("lock: a lock that could not be released is removed with those of dead processes") {
  RememberingFixture fixture;
  {
    auto lock = Unwrap(Lock::AcquireShared(*fixture.repository, fixture.Remembering()));
    fixture.faults.Set({.calls = {StorageCall::kRemove}});
  }
  fixture.faults.Clear();
  REQUIRE(fixture.CountFiles(FileKind::kLock) == 1);

  REQUIRE(fixture.RemoveDead() == 1);

  REQUIRE(fixture.CountFiles(FileKind::kLock) == 0);
}

TEST_CASE(
    "lock: a lock whose write failed after its work is removed with those of dead processes") {
  RememberingFixture fixture;
  fixture.faults.Set({.calls = {StorageCall::kPut}, .after_the_work = true});
  REQUIRE_FAILS(Lock::AcquireShared(*fixture.repository, fixture.Remembering()),
                ErrorCode::kUnavailable, "injected");
  fixture.faults.Clear();
  REQUIRE(fixture.CountFiles(FileKind::kLock) == 1);

  REQUIRE(fixture.RemoveDead() == 1);

  REQUIRE(fixture.CountFiles(FileKind::kLock) == 0);
}

TEST_CASE("lock: a lock that was certainly not written is not recorded") {
  RememberingFixture fixture;
  fixture.faults.Set({.code = ErrorCode::kDenied, .calls = {StorageCall::kPut}});

  REQUIRE_FAILS(Lock::AcquireShared(*fixture.repository, fixture.Remembering()), ErrorCode::kDenied,
                "injected");

  REQUIRE(fixture.Remembered().empty());
}

TEST_CASE("lock: is taken even if it cannot be recorded") {
  RememberingFixture fixture;
  Unwrap(WriteFileAtomic(fixture.directory.path() + "/file", {}, 0600));
  LockOptions options = fixture.Remembering();
  options.own_locks = fixture.directory.path() + "/file/locks";

  REQUIRE_OK(Lock::AcquireShared(*fixture.repository, options));

  REQUIRE(Unwrap(RemoveOwnDeadLocks(*fixture.repository, options)) == 0);
}

TEST_CASE("lock: a lock removed by another process is lost at the next refresh") {
  LockFixture fixture;
  auto lock = Unwrap(fixture.AcquireShared());
  Unwrap(fixture.storage.Remove({FileKind::kLock, lock->id().Hex()}));
  fixture.clock.Advance(std::chrono::minutes(5));

  REQUIRE_FAILS(lock->Tick(), ErrorCode::kTimedOut, "removed");
  REQUIRE_FAILS(lock->StillHeld(), ErrorCode::kTimedOut, "removed");
  REQUIRE(fixture.CountFiles(FileKind::kLock) == 0);
}

TEST_CASE("lock: Confirm notices at once that it was removed") {
  LockFixture fixture;
  auto lock = Unwrap(fixture.AcquireShared());
  REQUIRE_OK(lock->Confirm());
  fixture.faults.Set({.calls = {StorageCall::kStat}});
  REQUIRE_FAILS(lock->Confirm(), ErrorCode::kUnavailable, "injected");
  fixture.faults.Clear();
  REQUIRE_OK(lock->Confirm());
  Unwrap(fixture.storage.Remove({FileKind::kLock, lock->id().Hex()}));
  REQUIRE_OK(lock->StillHeld());

  REQUIRE_FAILS(lock->Confirm(), ErrorCode::kTimedOut, "removed");
  REQUIRE_FAILS(lock->StillHeld(), ErrorCode::kTimedOut, "removed");
}

TEST_CASE("lock: Confirm does not look for its name before a refresh") {
  struct Storage final : testing::ForwardingStorage {
    using ForwardingStorage::ForwardingStorage;
    Result<FileInfo> Stat(const FileName& name) override {
      if (before_stat) std::exchange(before_stat, {})();
      return ForwardingStorage::Stat(name);
    }
    std::function<void()> before_stat;
  };
  RepositoryFixture fixture;
  auto storage = std::make_unique<Storage>(fixture.storage);
  Storage& disturbed = *storage;
  auto repository = fixture.OpenOn(std::move(storage));
  auto lock = Unwrap(Lock::AcquireShared(*repository, fixture.lock_options()));
  const Id first = lock->id();
  disturbed.before_stat = [&] {
    fixture.clock.Advance(std::chrono::minutes(5));
    Unwrap(lock->Tick());
  };

  REQUIRE_OK(lock->Confirm());

  REQUIRE(lock->id() != first);
}

// From a given moment on one kind of call fails, until half an hour after construction.
class AwayStorage final : public testing::ForwardingStorage {
 public:
  AwayStorage(Storage& inner, const Clock& clock)
      : ForwardingStorage(inner), clock_(clock), back_(clock.Monotonic() + kLockStaleAge) {}
  void GoAway(StorageCall call, FileKind kind) { away_ = {call, kind}; }
  Result<void> Put(const FileName& name, ByteView content, PutMode mode) override {
    HF_TRY(Work(StorageCall::kPut, name.kind));
    return ForwardingStorage::Put(name, content, mode);
  }
  Result<void> Remove(const FileName& name) override {
    HF_TRY(Work(StorageCall::kRemove, name.kind));
    return ForwardingStorage::Remove(name);
  }

 private:
  Result<void> Work(StorageCall call, FileKind kind) const {
    if (away_ != std::pair(call, kind) || clock_.Monotonic() > back_) return {};
    return Fail(ErrorCode::kUnavailable, "away");
  }

  const Clock& clock_;
  const Instant back_;
  std::pair<StorageCall, FileKind> away_{StorageCall::kCreate, FileKind::kConfig};
};

// A lock, and a storage that retries for a quarter of an hour, which takes no time here.
struct Outlasting : RepositoryFixture {
  Outlasting() {
    auto inner = std::make_unique<AwayStorage>(storage, clock);
    away = inner.get();
    repository = OpenOn(std::make_unique<RetryStorage>(std::move(inner), RetryPolicy{}, clock,
                                                       random, [this](auto time) -> Result<void> {
                                                         clock.Advance(time);
                                                         return {};
                                                       }));
    lock = Unwrap(Lock::AcquireExclusive(*repository, lock_options()));
  }
  void GoAway(StorageCall call, FileKind kind) {
    clock.Advance(std::chrono::minutes(20));
    away->GoAway(call, kind);
  }

  AwayStorage* away = nullptr;
  std::unique_ptr<Repository> repository;
  std::unique_ptr<Lock> lock;
};

TEST_CASE("lock: a retried write is not done once the lock is lost") {
  Outlasting fixture;
  const Part part =
      testing::WritePart(*fixture.repository, testing::Items(testing::FileItem("data/f", "one")));
  const auto kind = GENERATE(FileKind::kPack, FileKind::kIndex, FileKind::kSnapshot);
  const std::size_t before = fixture.CountFiles(kind);
  ComposeOptions options = testing::ComposeAs(*fixture.repository);
  options.lock = fixture.lock.get();
  fixture.GoAway(StorageCall::kPut, kind);

  REQUIRE_FAILS(
      Compose(*fixture.repository, {&part, 1}, testing::ManifestOf("files", "app"), options),
      ErrorCode::kTimedOut, "lock was lost");

  REQUIRE(fixture.CountFiles(kind) == before);
}

TEST_CASE("lock: a retried removal is not done once the lock is lost") {
  Outlasting fixture;
  const Id snapshot = Unwrap(testing::TryWriteSnapshot(
      *fixture.repository, testing::Items(testing::FileItem("data/f", "one"))));
  Unwrap(fixture.storage.Remove({FileKind::kSnapshot, snapshot.Hex()}));
  const auto kind = GENERATE(FileKind::kPack, FileKind::kIndex);
  const std::size_t before = fixture.CountFiles(kind);
  fixture.GoAway(StorageCall::kRemove, kind);
  Progress progress;

  REQUIRE_FAILS(PruneRepository(*fixture.repository, {.lock = fixture.lock.get()}, progress, {}),
                ErrorCode::kTimedOut, "lock was lost");

  REQUIRE(fixture.CountFiles(kind) == before);
}

TEST_CASE("lock: an unreadable lock is read again, then named in an error") {
  LockFixture fixture;
  const FileName torn{FileKind::kLock, std::string(64, 'a')};
  Unwrap(fixture.storage.Put(torn, ToBytes("torn"), PutMode::kReplace));
  std::chrono::milliseconds waited{0};
  LockOptions options = fixture.lock_options();
  options.wait = [&](std::chrono::milliseconds time) { waited += time; };

  REQUIRE_FAILS(Lock::AcquireShared(*fixture.repository, options), ErrorCode::kCorrupt,
                "locks/aaa");
  REQUIRE(waited == std::chrono::seconds(35));
}

TEST_CASE("lock: an empty file is ignored") {
  LockFixture fixture;
  Unwrap(fixture.storage.Put({FileKind::kLock, std::string(64, 'a')}, {}, PutMode::kReplace));

  REQUIRE_OK(fixture.AcquireShared());
}

TEST_CASE("lock: its thread ends with it at once") {
  LockFixture fixture;
  LockOptions options = fixture.lock_options();
  options.refresh_by_thread = true;
  auto lock = Unwrap(Lock::AcquireShared(*fixture.repository, options));
  lock.reset();

  REQUIRE(fixture.CountFiles(FileKind::kLock) == 0);
}

}  // namespace
}  // namespace holdfast::repository
