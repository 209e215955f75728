// Makes every storage call of a backup fail in turn. Afterwards earlier snapshots are complete, the
// new one is complete or invisible, and the check finds no damage.

#include "common/io/atomic_file.h"
#include "common/repository/maintain/check.h"
#include "common/repository/store/lock.h"
#include "tests/support/catch.h"
#include "tests/support/faulty_storage.h"
#include "tests/support/file_trees.h"
#include "tests/support/items.h"
#include "tests/support/repository_fixture.h"

namespace holdfast::repository {
namespace {
using namespace holdfast::testing;

constexpr std::size_t kNoiseBytes = 1'500'000;

struct FaultFixture : RepositoryFixture {
  FaultFixture() {
    auto repository = Open();
    first = Unwrap(TryWriteSnapshot(*repository,
                                    Items(FileItem("data/a", "first"), FileItem("data/b", noise))));
    clock.Advance(std::chrono::hours(1));
  }

  // A complete backup, as the agent makes it: open, lock, read, write, compose.
  Result<Id> Backup(std::unique_ptr<Storage> storage_of_run) {
    HF_ASSIGN(std::unique_ptr<Repository> repository,
              Repository::Open(std::move(storage_of_run), password, {}, random, clock));
    HF_ASSIGN(std::unique_ptr<Lock> lock, Lock::AcquireShared(*repository, lock_options()));
    HF_ASSIGN(std::vector<SnapshotInfo> snapshots, ListSnapshots(*repository));
    HF_TRY(repository->index().Load({}));
    HF_ASSIGN(SnapshotInfo latest, FindSnapshot(snapshots, "latest:files/app"));
    HF_ASSIGN(std::unique_ptr<SnapshotView> previous, OpenSnapshot(*repository, latest));
    PartOptions options;
    options.lock = lock.get();
    options.previous = previous.get();
    std::vector<Item> items = Items(FileItem("data/a", "second"), FileItem("data/c", other_noise));
    Item reused = FileItem("data/b", noise);
    reused.content = Reuse{"data/b", [this]() -> Result<std::unique_ptr<ByteReader>> {
                             return std::make_unique<BytesReader>(noise);
                           }};
    items.push_back(std::move(reused));
    HF_ASSIGN(Part part, TryWritePart(*repository, std::move(items), options));
    ComposeOptions compose = ComposeAs(*repository);
    compose.lock = lock.get();
    compose.parent = latest.id;
    return Compose(*repository, {&part, 1}, ManifestOf("files", "app"), compose);
  }

  // Checks the invariants. Returns the number of snapshots.
  std::size_t CheckAll() {
    auto repository = Open();
    std::vector<SnapshotInfo> snapshots = Unwrap(ListSnapshots(*repository));
    REQUIRE_FALSE(snapshots.empty());
    REQUIRE(snapshots[0].id == first);
    for (const SnapshotInfo& snapshot : snapshots) {
      bool is_first = snapshot.id == first;
      auto view = OpenView(*repository, snapshot.id);
      REQUIRE(view->manifest().has_value());
      REQUIRE(Unwrap(ReadPath(*view, "data/a")) == ToBytes(is_first ? "first" : "second"));
      REQUIRE(Unwrap(ReadPath(*view, "data/b")) == noise);
      if (!is_first) REQUIRE(Unwrap(ReadPath(*view, "data/c")) == other_noise);
    }
    Progress progress;
    CheckReport report = Unwrap(CheckRepository(*repository, {.read_data = true}, progress, {}));
    REQUIRE(report.errors == std::vector<std::string>{});
    return snapshots.size();
  }

  Bytes noise = RandomBytes(random, kNoiseBytes);
  Bytes other_noise = RandomBytes(random, kNoiseBytes);
  Id first;
};

// Makes each call fail in turn, each time on a new repository, until there are no more calls.
std::uint64_t FailEachCall(const Fault& fault) {
  for (std::uint64_t k = 1;; ++k) {
    FaultFixture fixture;
    FaultyStorage faulty(std::make_unique<BorrowedStorage>(fixture.storage));
    Fault at_k = fault;
    at_k.first = at_k.last = k;
    faulty.Set(at_k);
    INFO("call " << k << ", " << ErrorCodeName(fault.code));

    Result<Id> done = fixture.Backup(std::make_unique<BorrowedStorage>(faulty));

    std::size_t snapshots = fixture.CheckAll();
    if (done) REQUIRE(snapshots == 2);
    if (!done && !fault.after_the_work) REQUIRE(snapshots == 1);
    // The next backup succeeds.
    if (!done) {
      REQUIRE_OK(fixture.Backup(std::make_unique<BorrowedStorage>(fixture.storage)));
      REQUIRE(fixture.CheckAll() == snapshots + 1);
    }
    if (faulty.matching() < k) return k - 1;
  }
}

TEST_CASE("storage faults: an error at any call leaves no partial snapshot") {
  for (ErrorCode code : {ErrorCode::kUnavailable, ErrorCode::kNoSpace}) {
    Fault fault;
    fault.code = code;
    REQUIRE(FailEachCall(fault) > 15);
  }
}

TEST_CASE("storage faults: a lost answer leaves a complete snapshot or none") {
  Fault fault;
  fault.calls = {StorageCall::kPut, StorageCall::kRemove};
  fault.after_the_work = true;
  REQUIRE(FailEachCall(fault) > 4);
}

TEST_CASE("storage faults: a torn pack is only unused data") {
  Fault fault;
  fault.calls = {StorageCall::kPut};
  fault.kind = FileKind::kPack;
  fault.is_torn = true;
  REQUIRE(FailEachCall(fault) >= 2);
}

TEST_CASE("storage faults: a storage that is full from any write on leaves no partial snapshot") {
  for (std::uint64_t first = 1; first < 8; ++first) {
    FaultFixture fixture;
    FaultyStorage faulty(std::make_unique<BorrowedStorage>(fixture.storage));
    Fault fault;
    fault.code = ErrorCode::kNoSpace;
    fault.calls = {StorageCall::kPut};
    fault.first = first;
    faulty.Set(fault);
    INFO(first);

    Result<Id> done = fixture.Backup(std::make_unique<BorrowedStorage>(faulty));

    if (!done) REQUIRE_FAILS(done, ErrorCode::kNoSpace, "injected fault");
    REQUIRE(fixture.CheckAll() == (done ? 2 : 1));
  }
}

TEST_CASE("storage faults: an extraction reports an error at any call") {
  FaultFixture fixture;
  FaultyStorage faulty(std::make_unique<BorrowedStorage>(fixture.storage));
  auto repository = fixture.OpenOn(std::make_unique<BorrowedStorage>(faulty));
  for (std::uint64_t k = 1;; ++k) {
    auto view = OpenView(*repository, fixture.first);
    TempDir directory = Unwrap(TempDir::Create("faults"));
    Fault fault;
    fault.first = fault.last = k;
    faulty.Set(fault);
    Progress progress;
    ExtractOptions options;
    options.restore_owner = false;

    Result<ExtractOutcome> outcome = view->Extract(directory.path(), options, progress, {});

    bool was_hit = faulty.matching() >= k;
    faulty.Clear();
    INFO(k);
    REQUIRE(outcome.has_value() == !was_hit);
    if (!was_hit) {
      REQUIRE(ReadText(directory.path() + "/data/a") == "first");
      break;
    }
    REQUIRE_FAILS(outcome, ErrorCode::kUnavailable, "injected fault");
  }
}

}  // namespace
}  // namespace holdfast::repository
