// Damaged blobs are stored again, and damaged packs are removed.

#include <algorithm>

#include "common/repository/maintain/index_repair.h"
#include "common/repository/maintain/pack_repair.h"
#include "common/repository/maintain/prune.h"
#include "tests/support/catch.h"
#include "tests/support/faulty_repository.h"
#include "tests/support/items.h"
#include "tests/support/repository_check.h"

namespace holdfast::repository {
namespace {
using testing::FileItem;
using testing::Items;
using testing::RandomBytes;
using testing::RepositoryFixture;
using testing::Unwrap;

enum class Harm : std::uint8_t { kFlipped, kShort, kGone };

struct DamagedRepository : RepositoryFixture {
  static constexpr int kFiles = 6;

  std::vector<Item> Files() {
    testing::SeededRandom content(5);
    std::vector<Item> items;
    for (int i = 0; i < kFiles; ++i) {
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
  CheckReport Check() { return testing::CheckAll(*Open()); }
  PackRepairReport Repair(const Id& pack) {
    Progress progress;
    return Unwrap(RepairPacks(*Open(), std::vector<Id>{pack}, {}, progress, {}));
  }
  // How many of the files can be read from the snapshot.
  int CountReadable(const Id& snapshot) {
    auto repository = Open();
    const auto view = testing::OpenView(*repository, snapshot);
    int readable = 0;
    for (int i = 0; i < kFiles; ++i) {
      if (testing::ReadPath(*view, fmt::format("data/f{}", i))) ++readable;
    }
    return readable;
  }
  BlobStatistics Rehash() {
    auto repository = Open();
    return testing::WritePart(*repository, Files(), {.known = KnownBlobs::kVerify})
        .statistics.blobs;
  }
};

TEST_CASE("rehash: indexed blobs without an intact copy are stored again, and no others") {
  DamagedRepository damaged;
  const Id snapshot = damaged.Save();
  CHECK(damaged.Rehash().data_blobs == 0);
  const auto how = GENERATE(Harm::kFlipped, Harm::kShort, Harm::kGone);
  damaged.Damage(how);
  REQUIRE_FALSE(damaged.Check().errors.empty());

  const BlobStatistics stored = damaged.Rehash();

  CHECK(stored.blobs_repaired >= 1);
  CHECK(stored.blobs_repaired == stored.data_blobs);
  if (how == Harm::kFlipped) CHECK(stored.data_blobs == 1);
  CHECK(damaged.CountReadable(snapshot) == DamagedRepository::kFiles);
  CHECK(damaged.Rehash().data_blobs == 0);
}

TEST_CASE("rehash: a new copy stays when prune removes the damaged copy or its pack") {
  DamagedRepository damaged;
  const Id snapshot = damaged.Save();
  const auto how = GENERATE(Harm::kFlipped, Harm::kGone);
  const Id pack = damaged.Damage(how);
  damaged.Rehash();
  const bool damaged_is_first = GENERATE(true, false);
  std::vector<PackContents> packs = damaged.IndexedPacks();
  std::ranges::stable_partition(
      packs, [&](const PackContents& each) { return (each.id == pack) == damaged_is_first; });
  damaged.ReplaceIndex(packs);
  PruneOptions options;
  if (GENERATE(true, false)) options.max_unused_percent = 0;
  Progress progress;

  Unwrap(PruneRepository(*damaged.Open(), options, progress, {}));

  CHECK(damaged.CountReadable(snapshot) == DamagedRepository::kFiles);
  CHECK(damaged.Check().errors == std::vector<std::string>{});
}

TEST_CASE("repair packs: intact blobs are saved, and after a rehash the repository is sound") {
  DamagedRepository damaged;
  damaged.Save();
  const auto how = GENERATE(Harm::kFlipped, Harm::kShort, Harm::kGone);
  const Id pack = damaged.Damage(how);
  const CheckReport before = damaged.Check();
  CHECK_FALSE(before.errors.empty());
  std::string hints;
  for (const std::string& hint : before.hints) hints += hint + "\n";
  CHECK_THAT(hints,
             Catch::Contains(how == Harm::kGone ? "repair index" : "repair packs " + pack.Hex()));
  CHECK_THAT(hints, Catch::Contains("backup --rehash"));

  const PackRepairReport report = damaged.Repair(pack);

  CHECK(report.packs_removed == (how == Harm::kGone ? 0 : 1));
  CHECK((report.blobs_saved > 0) == (how != Harm::kGone));
  CHECK(report.blobs_lost > 0);
  if (how == Harm::kFlipped) CHECK(report.blobs_lost == 1);
  damaged.Rehash();
  const CheckReport after = damaged.Check();
  CHECK(after.errors == std::vector<std::string>{});
  CHECK(after.packs_unreferenced == 0);
}

TEST_CASE("repair packs: blobs stored again by a rehash are not lost") {
  DamagedRepository damaged;
  damaged.Save();
  const Id pack = damaged.Damage(GENERATE(Harm::kFlipped, Harm::kGone));
  damaged.Rehash();

  const PackRepairReport report = damaged.Repair(pack);

  CHECK(report.blobs_lost == 0);
  CHECK(damaged.Check().errors.empty());
}

TEST_CASE("repair packs: repair index drops a missing pack") {
  DamagedRepository damaged;
  damaged.Save();
  damaged.Damage(Harm::kGone);
  Progress progress;
  Unwrap(RepairIndex(*damaged.Open(), {}, progress, {}));
  damaged.Rehash();
  CHECK(damaged.Check().errors == std::vector<std::string>{});
}

TEST_CASE("repair packs: an unknown pack is named, and nothing is changed") {
  DamagedRepository damaged;
  damaged.Save();
  const std::size_t packs = damaged.CountFiles(FileKind::kPack);
  Progress progress;
  REQUIRE_FAILS(RepairPacks(*damaged.Open(), std::vector<Id>{Id{{9}}}, {}, progress, {}),
                ErrorCode::kNotFound, "neither in the index nor");
  CHECK(damaged.CountFiles(FileKind::kPack) == packs);
}

TEST_CASE("repair packs: a pack that the storage cannot return is left alone") {
  DamagedRepository damaged;
  damaged.Save();
  const Id pack = damaged.Damage(Harm::kFlipped);
  const std::size_t packs = damaged.CountFiles(FileKind::kPack);
  testing::FaultyRepository faulty(damaged);
  faulty.faults.Set({.code = ErrorCode::kUnsupported,
                     .calls = {testing::StorageCall::kGet},
                     .kind = FileKind::kPack});
  Progress progress;
  REQUIRE_FAILS(RepairPacks(*faulty.repository, std::vector<Id>{pack}, {}, progress, {}),
                ErrorCode::kUnsupported, pack.Hex());
  CHECK(damaged.CountFiles(FileKind::kPack) == packs);
}

TEST_CASE("repair packs: a fault in any call loses no intact blob") {
  const bool after_the_work = GENERATE(false, true);
  bool has_failed = true;
  for (std::uint64_t k = 1; has_failed; ++k) {
    REQUIRE(k < 200);
    DamagedRepository damaged;
    const Id snapshot = damaged.Save();
    const Id pack = damaged.Damage(Harm::kFlipped);
    testing::FaultyRepository faulty(damaged);
    faulty.faults.Set(
        {.code = ErrorCode::kUnavailable, .first = k, .last = k, .after_the_work = after_the_work});
    Progress progress;
    has_failed = !RepairPacks(*faulty.repository, std::vector<Id>{pack}, {}, progress, {});

    CHECK(damaged.CountReadable(snapshot) == DamagedRepository::kFiles - 1);
  }
}

}  // namespace
}  // namespace holdfast::repository
