#include "common/repository/maintain/index_repair.h"

#include <algorithm>

#include "common/repository/format/index_file.h"
#include "tests/support/catch.h"
#include "tests/support/faulty_storage.h"
#include "tests/support/items.h"
#include "tests/support/repository_check.h"
#include "tests/support/repository_fixture.h"

namespace holdfast::repository {
namespace {
using namespace holdfast::testing;

struct RepairFixture : RepositoryFixture {
  RepairFixture() {
    auto repository = Open();
    for (const char* text : {"one", "two"}) {
      Unwrap(TryWriteSnapshot(*repository, Items(FileItem("data/a", text))));
    }
  }
  std::vector<FileName> Files(FileKind kind) { return FileNames(storage, kind); }
  // A repository that has not read the index.
  std::unique_ptr<Repository> Bare() { return BareOn(storage); }
  std::unique_ptr<Repository> BareOn(Storage& other) {
    return Unwrap(
        Repository::Open(std::make_unique<BorrowedStorage>(other), password, {}, random, clock));
  }
  IndexRepairReport Repair(const IndexRepairOptions& options = {}) {
    Progress progress;
    return Unwrap(RepairIndex(*Bare(), options, progress, {}));
  }
  CheckReport Check() { return CheckAll(*Bare()); }
  void Damage(const FileName& name, std::size_t at) {
    Bytes content = Unwrap(storage.Get(name, {}));
    content.at(at) ^= 1;
    Unwrap(storage.Put(name, content, PutMode::kReplace));
  }
  std::vector<PackContents> Decoded(const FileName& index) {
    std::vector<PackContents> packs;
    const Bytes json = Unwrap(Bare()->files().Load(FileKind::kIndex, Unwrap(ParseId(index.name))));
    Unwrap(DecodeIndexFile(json, [&](PackContents pack) { packs.push_back(std::move(pack)); }));
    return packs;
  }
};

TEST_CASE("index repair: a correct index is not changed") {
  RepairFixture fixture;
  const auto before = fixture.Files(FileKind::kIndex);

  const IndexRepairReport report = fixture.Repair();

  CHECK_FALSE(report.changed_anything());
  CHECK(report.packs == fixture.CountFiles(FileKind::kPack));
  CHECK(report.packs_read == 0);
  CHECK(fixture.Files(FileKind::kIndex) == before);
  CHECK_FALSE(fixture.Repair({.read_all_packs = true}).changed_anything());
}

TEST_CASE("index repair: packs without an index are read") {
  RepairFixture fixture;
  const auto files = fixture.Files(FileKind::kIndex);
  const bool all = GENERATE(true, false);
  Unwrap(fixture.storage.Remove(files[0]));
  if (all) {
    for (std::size_t i = 1; i < files.size(); ++i) Unwrap(fixture.storage.Remove(files[i]));
  }
  REQUIRE_FALSE(fixture.Check().errors.empty());

  const IndexRepairReport report = fixture.Repair();

  CHECK(report.packs_added > 0);
  CHECK(report.packs_added == report.packs_read);
  CHECK(report.index_files_written == 1);
  CHECK(report.index_files_removed == 0);
  CHECK(report.damage.empty());
  CHECK(fixture.Check().errors.empty());
  CHECK_FALSE(fixture.Repair().changed_anything());
}

TEST_CASE("index repair: a damaged index file is replaced") {
  RepairFixture fixture;
  const FileName file = fixture.Files(FileKind::kIndex)[0];
  fixture.Damage(file, 20);

  const IndexRepairReport report = fixture.Repair();

  REQUIRE(report.damage.size() == 1);
  CHECK_THAT(report.damage[0], Catch::Contains(file.name));
  CHECK(report.index_files_removed == 1);
  CHECK(fixture.Check().errors.empty());
}

TEST_CASE("index repair: a missing pack is dropped, and a pack split over two files is merged") {
  RepairFixture fixture;
  const FileName file = fixture.Files(FileKind::kIndex)[0];
  std::vector<PackContents> packs = fixture.Decoded(file);
  const auto large =
      std::ranges::find_if(packs, [](const PackContents& pack) { return pack.blobs.size() > 1; });
  REQUIRE(large != packs.end());
  PackContents first{large->id, {large->blobs[0]}};
  PackContents rest{large->id, {large->blobs.begin() + 1, large->blobs.end()}};
  PackContents gone{Id{{7}}, large->blobs};
  packs.erase(large);
  packs.push_back(first);
  packs.push_back(gone);
  auto repository = fixture.Bare();
  Unwrap(repository->index().Save(packs));
  Unwrap(repository->index().Save({&rest, 1}));
  Unwrap(fixture.storage.Remove(file));

  const IndexRepairReport report = fixture.Repair();

  CHECK(report.packs_dropped == 1);
  CHECK(report.packs_added == 1);
  CHECK(report.index_files_removed == 2);
  CHECK(fixture.Check().errors.empty());
}

TEST_CASE("index repair: a wrong entry is found when all packs are read") {
  RepairFixture fixture;
  const FileName file = fixture.Files(FileKind::kIndex)[0];
  std::vector<PackContents> packs = fixture.Decoded(file);
  packs[0].blobs[0].id.bytes[0] ^= 1;
  Unwrap(fixture.Bare()->index().Save(packs));
  Unwrap(fixture.storage.Remove(file));
  CHECK_FALSE(fixture.Repair().changed_anything());
  REQUIRE_FALSE(fixture.Check().errors.empty());

  const IndexRepairReport report = fixture.Repair({.read_all_packs = true});

  CHECK(report.packs_added == 1);
  CHECK(fixture.Check().errors.empty());
}

TEST_CASE("index repair: an unreadable pack is named and dropped, or left unchanged") {
  RepairFixture fixture;
  const FileName pack = fixture.Files(FileKind::kPack)[0];
  const std::uint64_t size = Unwrap(fixture.storage.Stat(pack)).size;
  fixture.Damage(pack, size - 8);  // in the header

  const IndexRepairReport kept = fixture.Repair({.read_all_packs = true});
  REQUIRE(kept.damage.size() == 1);
  CHECK_THAT(kept.damage[0], Catch::Contains(pack.name));
  CHECK_FALSE(kept.changed_anything());

  RemoveFiles(fixture.storage, FileKind::kIndex);
  const IndexRepairReport left_out = fixture.Repair();
  REQUIRE(left_out.damage.size() == 1);
  CHECK_THAT(left_out.damage[0], Catch::Contains("left out"));
  CHECK(left_out.packs == fixture.CountFiles(FileKind::kPack) - 1);
}

TEST_CASE("index repair: a pack that the storage cannot return is not dropped") {
  RepairFixture fixture;
  const bool has_index = GENERATE(false, true);
  if (!has_index) Unwrap(fixture.storage.Remove(fixture.Files(FileKind::kIndex)[0]));
  const auto before = fixture.Files(FileKind::kIndex);
  FaultyStorage faults(std::make_unique<BorrowedStorage>(fixture.storage));
  auto repository = fixture.BareOn(faults);
  faults.Set(
      {.code = ErrorCode::kUnsupported, .calls = {StorageCall::kGet}, .kind = FileKind::kPack});
  Progress progress;
  REQUIRE_FAILS(RepairIndex(*repository, {.read_all_packs = has_index}, progress, {}),
                ErrorCode::kUnsupported, "data/");
  CHECK(fixture.Files(FileKind::kIndex) == before);
}

TEST_CASE("index repair: whichever call fails, the next repair finishes") {
  const bool after_the_work = GENERATE(false, true);
  bool was_through = false;
  for (std::uint64_t call = 1; !was_through; ++call) {
    RepairFixture fixture;
    const auto files = fixture.Files(FileKind::kIndex);
    Unwrap(fixture.storage.Remove(files[0]));
    fixture.Damage(files[1], 20);
    FaultyStorage faulty(std::make_unique<BorrowedStorage>(fixture.storage));
    auto repository = fixture.BareOn(faulty);
    faulty.Set({.code = ErrorCode::kUnavailable,
                .first = call,
                .last = call,
                .after_the_work = after_the_work});
    Progress progress;

    const auto repaired = RepairIndex(*repository, {}, progress, {});

    was_through = faulty.matching() < call;
    INFO(call);
    CHECK(repaired.has_value() == was_through);
    fixture.Repair();
    CHECK(fixture.Check().errors.empty());
    REQUIRE(call < 100);
  }
}

TEST_CASE("index repair: after its lock is lost it writes and removes nothing more") {
  RepairFixture fixture;
  Unwrap(fixture.storage.Remove(fixture.Files(FileKind::kIndex)[0]));
  auto repository = fixture.Bare();
  auto lock = Unwrap(Lock::AcquireExclusive(*repository, fixture.lock_options()));
  fixture.clock.Advance(std::chrono::minutes(25));
  const auto before = fixture.Files(FileKind::kIndex);
  Progress progress;

  REQUIRE_FAILS(RepairIndex(*repository, {.lock = lock.get()}, progress, {}), ErrorCode::kTimedOut,
                "lock was lost");

  CHECK(fixture.Files(FileKind::kIndex) == before);
}

}  // namespace
}  // namespace holdfast::repository
