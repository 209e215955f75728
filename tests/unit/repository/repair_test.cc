// Damaged blobs are stored again, and damaged packs are removed.

#include <algorithm>

#include "common/repository/maintain/check.h"
#include "common/repository/maintain/index_repair.h"
#include "common/repository/maintain/pack_repair.h"
#include "common/repository/maintain/prune.h"
#include "tests/support/catch.h"
#include "tests/support/faulty_storage.h"
#include "tests/support/items.h"
#include "tests/support/repository_fixture.h"

namespace holdfast::repository {
namespace {
using testing::FaultyStorage;
using testing::FileItem;
using testing::Items;
using testing::RandomBytes;
using testing::RepositoryFixture;
using testing::Unwrap;

enum class Harm : std::uint8_t { kFlipped, kShort, kGone };

struct Mending : RepositoryFixture {
  std::vector<Item> Files() {
    testing::SeededRandom content(5);
    std::vector<Item> items;
    for (int i = 0; i < 6; ++i) {
      items.push_back(FileItem(fmt::format("data/f{}", i), RandomBytes(content, 200'000)));
    }
    return items;
  }
  Id Save() { return Unwrap(testing::TryWriteSnapshot(*Open(), Files())); }
  // Damages the pack with the data, and returns its id.
  Id Damage(Harm how) {
    auto repository = Open();
    std::optional<Id> pack;
    std::uint32_t middle = 0;
    repository->index().ForEachBlob([&](BlobType type, const Id&, const BlobLocation& location) {
      if (type != BlobType::kData || location.length < 100'000) return;
      if (!pack || location.pack != *pack) pack = location.pack;
      middle = location.offset + 50;
    });
    const FileName name{FileKind::kPack, pack->Hex()};
    Bytes content = Unwrap(storage.Get(name, {}));
    Unwrap(storage.Remove(name));
    if (how == Harm::kFlipped) content[middle] ^= 1;
    if (how == Harm::kShort) content.resize(content.size() / 2);
    if (how != Harm::kGone) Unwrap(storage.Put(name, content, PutMode::kReplace));
    return *pack;
  }
  CheckReport Check() {
    auto repository = Open();
    Progress progress;
    return Unwrap(CheckRepository(*repository, {.read_data = true}, progress, {}));
  }
  BlobStatistics Rehash() {
    auto repository = Open();
    return testing::WritePart(*repository, Files(), {.known = KnownBlobs::kVerify})
        .statistics.blobs;
  }
};

TEST_CASE("rehash: indexed blobs without an intact copy are stored again, and no others") {
  Mending mending;
  const Id snapshot = mending.Save();
  CHECK(mending.Rehash().data_blobs == 0);
  const auto how = GENERATE(Harm::kFlipped, Harm::kShort, Harm::kGone);
  mending.Damage(how);
  REQUIRE_FALSE(mending.Check().errors.empty());

  const BlobStatistics stored = mending.Rehash();

  CHECK(stored.blobs_repaired >= 1);
  CHECK(stored.blobs_repaired == stored.data_blobs);
  if (how == Harm::kFlipped) CHECK(stored.data_blobs == 1);
  auto repository = mending.Open();
  const auto view = testing::OpenView(*repository, snapshot);
  for (int i = 0; i < 6; ++i) CHECK(testing::ReadPath(*view, fmt::format("data/f{}", i)));
  CHECK(mending.Rehash().data_blobs == 0);
}

TEST_CASE("rehash: a new copy stays when prune removes the damaged copy or its pack") {
  Mending mending;
  const Id snapshot = mending.Save();
  const auto how = GENERATE(Harm::kFlipped, Harm::kGone);
  const Id damaged = mending.Damage(how);
  mending.Rehash();
  const bool damaged_is_first = GENERATE(true, false);
  std::vector<PackContents> packs = mending.IndexedPacks();
  std::ranges::stable_partition(
      packs, [&](const PackContents& pack) { return (pack.id == damaged) == damaged_is_first; });
  mending.ReplaceIndex(packs);
  PruneOptions options;
  if (GENERATE(true, false)) options.max_unused_percent = 0;
  Progress progress;

  Unwrap(PruneRepository(*mending.Open(), options, progress, {}));

  auto repository = mending.Open();
  const auto view = testing::OpenView(*repository, snapshot);
  for (int i = 0; i < 6; ++i) CHECK(testing::ReadPath(*view, fmt::format("data/f{}", i)));
  CHECK(mending.Check().errors == std::vector<std::string>{});
}

TEST_CASE("repair packs: intact blobs are saved, and after a rehash the repository is sound") {
  Mending mending;
  mending.Save();
  const auto how = GENERATE(Harm::kFlipped, Harm::kShort, Harm::kGone);
  const Id pack = mending.Damage(how);
  const CheckReport before = mending.Check();
  CHECK_FALSE(before.errors.empty());
  std::string hints;
  for (const std::string& hint : before.hints) hints += hint + "\n";
  CHECK_THAT(hints,
             Catch::Contains(how == Harm::kGone ? "repair index" : "repair packs " + pack.Hex()));
  CHECK_THAT(hints, Catch::Contains("backup --rehash"));
  Progress progress;

  const PackRepairReport report =
      Unwrap(RepairPacks(*mending.Open(), std::vector<Id>{pack}, {}, progress, {}));

  CHECK(report.packs_removed == (how == Harm::kGone ? 0 : 1));
  CHECK((report.blobs_saved > 0) == (how != Harm::kGone));
  CHECK(report.blobs_lost > 0);
  if (how == Harm::kFlipped) CHECK(report.blobs_lost == 1);
  mending.Rehash();
  const CheckReport after = mending.Check();
  CHECK(after.errors == std::vector<std::string>{});
  CHECK(after.packs_unreferenced == 0);
}

TEST_CASE("repair packs: blobs stored again by a rehash are not lost") {
  Mending mending;
  mending.Save();
  const Id pack = mending.Damage(GENERATE(Harm::kFlipped, Harm::kGone));
  mending.Rehash();
  Progress progress;

  const PackRepairReport report =
      Unwrap(RepairPacks(*mending.Open(), std::vector<Id>{pack}, {}, progress, {}));

  CHECK(report.blobs_lost == 0);
  CHECK(mending.Check().errors.empty());
}

TEST_CASE("repair packs: repair index drops a missing pack") {
  Mending mending;
  mending.Save();
  mending.Damage(Harm::kGone);
  Progress progress;
  Unwrap(RepairIndex(*mending.Open(), {}, progress, {}));
  mending.Rehash();
  CHECK(mending.Check().errors == std::vector<std::string>{});
}

TEST_CASE("repair packs: an unknown pack is named, and nothing is changed") {
  Mending mending;
  mending.Save();
  const std::size_t packs = mending.CountFiles(FileKind::kPack);
  Progress progress;
  REQUIRE_FAILS(RepairPacks(*mending.Open(), std::vector<Id>{Id{{9}}}, {}, progress, {}),
                ErrorCode::kNotFound, "neither in the index nor");
  CHECK(mending.CountFiles(FileKind::kPack) == packs);
}

TEST_CASE("repair packs: a pack that the storage cannot return is left alone") {
  Mending mending;
  mending.Save();
  const Id pack = mending.Damage(Harm::kFlipped);
  const std::size_t packs = mending.CountFiles(FileKind::kPack);
  auto storage =
      std::make_unique<FaultyStorage>(std::make_unique<testing::BorrowedStorage>(mending.storage));
  FaultyStorage& faults = *storage;
  auto repository = mending.OpenOn(std::move(storage));
  faults.Set({.code = ErrorCode::kUnsupported,
              .calls = {testing::StorageCall::kGet},
              .kind = FileKind::kPack});
  Progress progress;
  REQUIRE_FAILS(RepairPacks(*repository, std::vector<Id>{pack}, {}, progress, {}),
                ErrorCode::kUnsupported, pack.Hex());
  CHECK(mending.CountFiles(FileKind::kPack) == packs);
}

TEST_CASE("repair packs: a fault in any call loses no intact blob") {
  const bool after_the_work = GENERATE(false, true);
  bool has_failed = true;
  for (std::uint64_t k = 1; has_failed; ++k) {
    REQUIRE(k < 200);
    Mending mending;
    const Id snapshot = mending.Save();
    const Id pack = mending.Damage(Harm::kFlipped);
    auto storage = std::make_unique<FaultyStorage>(
        std::make_unique<testing::BorrowedStorage>(mending.storage));
    FaultyStorage& faults = *storage;
    auto repository = mending.OpenOn(std::move(storage));
    faults.Set(
        {.code = ErrorCode::kUnavailable, .first = k, .last = k, .after_the_work = after_the_work});
    Progress progress;
    has_failed = !RepairPacks(*repository, std::vector<Id>{pack}, {}, progress, {});

    auto again = mending.Open();
    const auto view = testing::OpenView(*again, snapshot);
    int whole = 0;
    for (int i = 0; i < 6; ++i) {
      if (testing::ReadPath(*view, fmt::format("data/f{}", i))) ++whole;
    }
    CHECK(whole == 5);
  }
}

}  // namespace
}  // namespace holdfast::repository
