// For each operation that changes a repository, makes every storage call fail in turn, in every way
// in which a storage can fail. Afterwards there is no damage, every existing snapshot can be
// restored, and repeating the operation succeeds.

#include <mutex>

#include "tests/support/catch.h"
#include "tests/support/faulty_storage.h"
#include "tests/support/forwarding_storage.h"
#include "tests/support/operations.h"

namespace holdfast::repository {
namespace {
using namespace holdfast::testing;

// Copies the scene's storage for each run, which is cheaper than building another scene.
struct Runs {
  // Runs the operation with its k-th matching call failing. False if it made fewer such calls.
  bool Run(const Operation& operation, const Fault& fault, std::uint64_t k) {
    left = std::make_unique<MemoryStorage>();
    OperationScene::Copy(scene.storage, *left);
    scene.Reset();
    FaultyStorage faulty(std::make_unique<BorrowedStorage>(*left));
    Fault at_k = fault;
    at_k.first = at_k.last = k;
    faulty.Set(at_k);
    is_done = operation.run(scene, std::make_unique<BorrowedStorage>(faulty)).has_value();
    return faulty.matching() >= k;
  }

  OperationScene scene;
  std::unique_ptr<MemoryStorage> left;
  bool is_done = false;
};

// Repeats the operation after the crashed process is known to be dead.
void RequireAgain(OperationScene& scene, const Operation& operation, MemoryStorage& left) {
  REQUIRE_OK(RunUnlock(scene, std::make_unique<BorrowedStorage>(left)));
  REQUIRE_OK(operation.run(scene, std::make_unique<BorrowedStorage>(left)));
  REQUIRE(scene.Check(left) == std::vector<std::string>{});
  (void)scene.RequireSnapshots(left, operation.forgets);
}

TEST_CASE("operation faults: an error reported by the storage at any call does no harm") {
  struct Case {
    const char* name;
    ErrorCode code;
    std::set<StorageCall> calls;
    bool after_the_work;
  };
  const Case cases[] = {
      {"cannot be read or written", ErrorCode::kUnavailable, {}, false},
      {"full", ErrorCode::kNoSpace, {StorageCall::kPut}, false},
      {"the answer is lost",
       ErrorCode::kUnavailable,
       {StorageCall::kPut, StorageCall::kRemove},
       true},
  };
  Runs runs;
  for (const Operation& operation : kOperations) {
    for (const Case& each : cases) {
      Fault fault;
      fault.code = each.code;
      fault.calls = each.calls;
      fault.after_the_work = each.after_the_work;
      for (std::uint64_t k = 1; runs.Run(operation, fault, k); ++k) {
        INFO(operation.name << ", call " << k << ": " << each.name);
        REQUIRE(k < 200);
        REQUIRE(runs.scene.Check(*runs.left) == std::vector<std::string>{});
        (void)runs.scene.RequireSnapshots(*runs.left, operation.forgets);
        RequireAgain(runs.scene, operation, *runs.left);
      }
      INFO(operation.name << ": " << each.name);
      REQUIRE(runs.is_done);
    }
  }
}

TEST_CASE("operation faults: a crash at any call loses no existing data") {
  Runs runs;
  for (const Operation& operation : kOperations) {
    Fault fault;
    fault.is_the_end = true;
    for (std::uint64_t k = 1; runs.Run(operation, fault, k); ++k) {
      INFO(operation.name << ", down at call " << k);
      REQUIRE(k < 200);
      REQUIRE(runs.scene.Check(*runs.left) == std::vector<std::string>{});
      (void)runs.scene.RequireSnapshots(*runs.left, operation.forgets);
      RequireAgain(runs.scene, operation, *runs.left);
    }
    REQUIRE(runs.is_done);
  }
}

// Follows the messages: removes a broken key or snapshot, rebuilds a broken index. Returns the
// paths of what was removed.
std::vector<std::string> FollowHints(OperationScene& scene, MemoryStorage& left) {
  std::vector<std::string> gone;
  const auto remove_named = [&](FileKind kind, const std::string& text) {
    std::vector<FileName> named;
    Unwrap(left.List(kind, [&](const FileInfo& file) -> Result<void> {
      if (text.find(file.name.name) != std::string::npos) named.push_back(file.name);
      return {};
    }));
    REQUIRE(named.size() == 1);  // otherwise the message cannot be followed
    gone.push_back(FilePath(named[0]));
    Unwrap(left.Remove(named[0]));
  };
  auto opened = OpenFor(scene, std::make_unique<BorrowedStorage>(left));
  if (!opened) {
    REQUIRE(opened.error().code() == ErrorCode::kCorrupt);
    remove_named(FileKind::kKey, opened.error().Text());
    opened = OpenFor(scene, std::make_unique<BorrowedStorage>(left));
  }
  REQUIRE_OK(opened);
  // Keys are tried in order of their names until one opens, so only the check finds a broken key
  // after that one.
  for (const std::string& error : scene.Check(left)) {
    if (error.starts_with("key ")) remove_named(FileKind::kKey, error);
  }
  Unwrap(RemoveAllLocks((*opened)->storage()));
  if (const auto listed = ListSnapshots(**opened); !listed) {
    REQUIRE(listed.error().code() == ErrorCode::kCorrupt);
    remove_named(FileKind::kSnapshot, listed.error().Text());
  }
  if (const auto loaded = (*opened)->index().Load({}); !loaded) {
    REQUIRE(loaded.error().code() == ErrorCode::kCorrupt);
    gone.push_back("index");
  }
  // The only sign of a missing index file is that the check reports blobs in no pack.
  if (!scene.Check(left).empty()) {
    REQUIRE_OK(RunRepairIndex(scene, std::make_unique<BorrowedStorage>(left)));
  }
  return gone;
}

TEST_CASE("operation faults: a file whose content is lost in a power failure is reported") {
  Runs runs;
  for (const Operation& operation : kOperations) {
    for (const bool is_torn : {true, false}) {
      Fault fault;
      fault.calls = {StorageCall::kPut};
      fault.is_silent = true;
      fault.is_torn = is_torn;
      fault.is_the_end = true;
      for (std::uint64_t k = 1; runs.Run(operation, fault, k); ++k) {
        INFO(operation.name << ", down at the " << k << ". write, "
                            << (is_torn ? "half of it there"
                                        : "the answer does not mention it there"));
        REQUIRE(k < 100);
        const std::vector<std::string> gone = FollowHints(runs.scene, *runs.left);
        if (!is_torn) REQUIRE(gone == std::vector<std::string>{});
        REQUIRE(runs.scene.Check(*runs.left) == std::vector<std::string>{});
        (void)runs.scene.RequireSnapshots(*runs.left, operation.forgets);
        RequireAgain(runs.scene, operation, *runs.left);
      }
      REQUIRE(runs.is_done);
    }
  }
}

// No order of writes helps against a disk that loses one write but keeps later ones. It must not
// harm the data of other writes, and it must be noticed.
TEST_CASE("operation faults: if the disk loses a write, only the affected backup is reported") {
  Runs runs;
  for (const bool is_torn : {true, false}) {
    Fault fault;
    fault.calls = {StorageCall::kPut};
    fault.is_silent = true;
    fault.is_torn = is_torn;
    for (std::uint64_t k = 1; runs.Run(kOperations[0], fault, k); ++k) {
      INFO("write " << k << ", "
                    << (is_torn ? "half of it there" : "the answer does not mention it there"));
      REQUIRE(k < 100);
      (void)FollowHints(runs.scene, *runs.left);
      const std::vector<std::string> errors = runs.scene.Check(*runs.left);
      auto repository = Unwrap(OpenFor(runs.scene, std::make_unique<BorrowedStorage>(*runs.left)));
      const auto snapshots = Unwrap(ListSnapshots(*repository));
      const bool is_third_there = snapshots.size() == 3;
      for (const SnapshotInfo& snapshot : snapshots) {
        if (!runs.scene.kept.contains(snapshot.id)) {
          // It is complete, or the check reports that it is not.
          Unwrap(repository->index().Load({}));
          const auto view = OpenSnapshot(*repository, snapshot);
          const bool is_whole =
              view && ReadPath(**view, "data/name") && ReadPath(**view, "data/three");
          REQUIRE(is_whole == errors.empty());
          Unwrap(runs.left->Remove({FileKind::kSnapshot, snapshot.id.Hex()}));
        } else {
          for (const std::string& error : errors) {
            REQUIRE_THAT(error, !Catch::Contains("snapshot " + snapshot.id.Hex().substr(0, 8)));
          }
        }
      }
      if (!is_third_there) REQUIRE(errors == std::vector<std::string>{});
      (void)runs.scene.RequireSnapshots(*runs.left, false);
    }
    REQUIRE(runs.is_done);
  }
}

// Makes the lock expire after the k-th call, and records the changes after that. Never expires it
// at a change of a pack, because several threads write packs, and one may already have checked the
// lock.
class LockLoser final : public ForwardingStorage {
 public:
  LockLoser(Storage& inner, ManualClock& clock, std::uint64_t k)
      : ForwardingStorage(inner), clock_(clock), k_(k) {}
  Result<void> Put(const FileName& name, ByteView content, PutMode mode) override {
    return Done(name, true, ForwardingStorage::Put(name, content, mode));
  }
  Result<Bytes> Get(const FileName& name, ByteRange range) override {
    return Done(name, false, ForwardingStorage::Get(name, range));
  }
  Result<void> List(FileKind kind, const VisitFile& visit) override {
    return Done({kind, ""}, false, ForwardingStorage::List(kind, visit));
  }
  Result<void> Remove(const FileName& name) override {
    return Done(name, true, ForwardingStorage::Remove(name));
  }
  bool is_lost() const { return count_ >= k_; }
  std::vector<std::string> changed_later() const { return changed_later_; }

 private:
  template <typename T>
  Result<T> Done(const FileName& name, bool is_change, Result<T> result) {
    if (name.kind == FileKind::kLock || name.kind == FileKind::kKey ||
        name.kind == FileKind::kConfig) {
      return result;
    }
    std::lock_guard lock(mutex_);
    if (is_lost()) {
      if (is_change) changed_later_.push_back(FilePath(name));
      return result;
    }
    if (is_change && name.kind == FileKind::kPack) return result;
    if (++count_ == k_) clock_.Advance(std::chrono::minutes(25));
    return result;
  }

  ManualClock& clock_;
  const std::uint64_t k_;
  std::mutex mutex_;
  std::uint64_t count_ = 0;
  std::vector<std::string> changed_later_;
};

TEST_CASE("operation faults: a process that lost its lock writes and removes nothing more") {
  Runs runs;
  OperationScene& scene = runs.scene;
  for (const Operation& operation : kOperations) {
    if (!operation.asks_for_lock) continue;
    std::uint64_t stopped = 0;
    for (std::uint64_t k = 1;; ++k) {
      INFO(operation.name << ", after call " << k);
      REQUIRE(k < 200);
      MemoryStorage left;
      OperationScene::Copy(scene.storage, left);
      LockLoser loser(left, scene.clock, k);
      const Result<void> done = operation.run(scene, std::make_unique<BorrowedStorage>(loser));
      REQUIRE(loser.changed_later() == std::vector<std::string>{});
      if (!done) {
        ++stopped;
        REQUIRE_FAILS(done, ErrorCode::kTimedOut, "lock was lost");
      }
      REQUIRE(scene.Check(left) == std::vector<std::string>{});
      (void)scene.RequireSnapshots(left, operation.forgets);
      RequireAgain(scene, operation, left);
      if (!loser.is_lost()) break;
    }
    INFO(operation.name);
    REQUIRE(stopped > 3);
  }
}

// Whatever happens, there is a repository, or another init can create one.
TEST_CASE("operation faults: a failed init does not block the next one") {
  struct Case {
    const char* name;
    bool after_the_work;
    bool is_the_end;
  };
  const Case cases[] = {{"cannot be read or written", false, false},
                        {"the answer is lost", true, false},
                        {"down", false, true},
                        {"down after the work", true, true}};
  RepositoryFixture fixture;
  const auto init = [&](Storage& storage) {
    return Repository::Init(storage, fixture.password, {.scrypt = kCheapScrypt}, fixture.random,
                            fixture.clock);
  };
  for (const Case& each : cases) {
    bool was_hit = true;
    for (std::uint64_t k = 1; was_hit; ++k) {
      INFO(each.name << ", call " << k);
      REQUIRE(k < 20);
      MemoryStorage left;
      FaultyStorage faulty(std::make_unique<BorrowedStorage>(left));
      Fault fault;
      if (each.after_the_work) fault.calls = {StorageCall::kPut, StorageCall::kRemove};
      fault.after_the_work = each.after_the_work;
      fault.is_the_end = each.is_the_end;
      fault.first = fault.last = k;
      faulty.Set(fault);
      const bool is_done = init(faulty).has_value();
      was_hit = faulty.matching() >= k;

      // It opens, or the error says how to start over.
      const auto open = [&] {
        return Repository::Open(std::make_unique<BorrowedStorage>(left), fixture.password, {},
                                fixture.random, fixture.clock);
      };
      if (is_done) REQUIRE_OK(open());
      if (const auto opened = open(); !opened) {
        if (opened.error().code() == ErrorCode::kCorrupt) {
          REQUIRE(each.is_the_end);  // otherwise it resolves by itself
          REQUIRE_FAILS(opened, ErrorCode::kCorrupt,
                        "`init` was interrupted, or \"config\" was lost: if the repository was "
                        "never used, remove the directory \"keys\", and \"config\" if it is empty, "
                        "and run `init` again; otherwise restore \"config\" from a copy");
          REQUIRE_FAILS(init(left), ErrorCode::kAlreadyExists,
                        "`init` was interrupted, or \"config\" was lost: if the repository was "
                        "never used, remove the directory \"keys\", and \"config\" if it is empty, "
                        "and run `init` again; otherwise restore \"config\" from a copy");
          std::vector<FileName> keys;
          Unwrap(left.List(FileKind::kKey, [&](const FileInfo& file) -> Result<void> {
            keys.push_back(file.name);
            return {};
          }));
          for (const FileName& key : keys) Unwrap(left.Remove(key));
        }
        REQUIRE_OK(init(left));
        REQUIRE_OK(open());
      }
    }
  }
}

}  // namespace
}  // namespace holdfast::repository
