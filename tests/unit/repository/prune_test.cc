#include "common/repository/maintain/prune.h"

#include <algorithm>
#include <set>

#include "tests/support/catch.h"
#include "tests/support/faulty_repository.h"
#include "tests/support/forwarding_storage.h"
#include "tests/support/items.h"
#include "tests/support/repository_check.h"

namespace holdfast::repository {
namespace {
using testing::FaultyRepository;
using testing::FileItem;
using testing::FileNames;
using testing::RandomBytes;
using testing::RepositoryFixture;
using testing::Unwrap;

// Snapshots of files of some hundred KB, so that packs contain blobs of several snapshots.
struct Place : RepositoryFixture {
  Id Save(Repository& repository, const std::vector<int>& files) {
    std::vector<Item> items;
    for (const int file : files) {
      testing::SeededRandom content(static_cast<std::uint64_t>(1000 + file));
      const Bytes bytes = RandomBytes(content, 300'000);
      items.push_back(FileItem(fmt::format("d{}/f{:04}", file / 10, file), AsText(bytes)));
    }
    return Unwrap(testing::TryWriteSnapshot(repository, std::move(items)));
  }
  void Forget(const Id& snapshot) { Unwrap(storage.Remove({FileKind::kSnapshot, snapshot.Hex()})); }
  // Saves two snapshots, and forgets the first.
  void SaveTwoForgetOne(const std::vector<int>& forgotten, const std::vector<int>& kept) {
    auto repository = Open();
    const Id first = Save(*repository, forgotten);
    Save(*repository, kept);
    Forget(first);
  }
  PruneReport Run(const PruneOptions& options = {}) {
    auto repository = Open();
    Progress progress;
    return Unwrap(PruneRepository(*repository, options, progress, {}));
  }
  // The repository is sound, and has no unindexed packs.
  void RequireSound(std::uint64_t snapshots) {
    CHECK(testing::RequireSound(*Open(), snapshots).packs_unreferenced == 0);
  }
  std::uint64_t PackBytes() {
    std::uint64_t bytes = 0;
    for (const FileInfo& pack : Unwrap(ListFiles(storage, FileKind::kPack))) bytes += pack.size;
    return bytes;
  }
};

std::vector<int> Range(int begin, int end) {
  std::vector<int> numbers;
  for (int i = begin; i < end; ++i) numbers.push_back(i);
  return numbers;
}

TEST_CASE("prune: if everything is needed, nothing changes") {
  Place place;
  place.Save(*place.Open(), Range(0, 20));
  const std::uint64_t before = place.PackBytes();

  const PruneReport report = place.Run();

  CHECK(report.snapshots == 1);
  CHECK(report.packs_removed == 0);
  CHECK(report.blobs_unneeded == 1);  // the part's own top, replaced by the snapshot's
  CHECK(report.index_files_written == 0);
  CHECK(place.PackBytes() == before);
  place.RequireSound(1);
}

TEST_CASE("prune: unneeded packs are removed, and needed blobs of others are copied") {
  Place place;
  std::vector<Id> snapshots;
  {
    auto repository = place.Open();
    snapshots.push_back(place.Save(*repository, Range(0, 120)));
    snapshots.push_back(place.Save(*repository, Range(100, 220)));
    snapshots.push_back(place.Save(*repository, Range(200, 320)));
  }
  const std::uint64_t before = place.PackBytes();
  place.Forget(snapshots[0]);

  PruneOptions options;
  options.dry_run = true;
  const PruneReport plan = place.Run(options);
  CHECK(place.PackBytes() == before);
  options.dry_run = false;
  options.max_unused_percent = 0;
  const PruneReport report = place.Run(options);

  CHECK(report.snapshots == 2);
  CHECK(plan.bytes_unneeded == report.bytes_unneeded);
  CHECK(report.bytes_unneeded > 100U * 300'000);
  CHECK(report.bytes_left_unneeded == 0);
  CHECK(report.bytes_freed > 100U * 300'000 * 9 / 10);
  CHECK(place.PackBytes() < before - 100U * 300'000 * 9 / 10);
  place.RequireSound(2);
  const PruneReport again = place.Run(options);
  CHECK(again.packs_removed == 0);
  CHECK(again.bytes_unneeded == 0);
}

// A storage with leftovers of writers.
struct Littered final : testing::ForwardingStorage {
  Littered(Storage& inner, std::vector<LeftoverSearch>& asked)
      : ForwardingStorage(inner), searches(asked) {}
  Result<Leftovers> RemoveLeftovers(const LeftoverSearch& search, const Permit& permit) override {
    if (permit) HF_TRY(permit());
    searches.push_back(search);
    return Leftovers{.files = 2, .bytes = 1234};
  }
  std::vector<LeftoverSearch>& searches;
};

TEST_CASE("prune: old leftovers of dead writers are removed too") {
  Place place;
  place.Save(*place.Open(), Range(0, 3));
  std::vector<LeftoverSearch> searches;
  const bool dry_run = GENERATE(false, true);
  auto repository = place.OpenOn(std::make_unique<Littered>(place.storage, searches));
  Progress progress;

  const PruneReport report =
      Unwrap(PruneRepository(*repository, {.dry_run = dry_run}, progress, {}));

  CHECK(report.leftover_files == 2);
  CHECK(report.leftover_bytes == 1234);
  CHECK(report.bytes_freed == 0);
  REQUIRE(searches.size() == 1);
  CHECK(searches[0].only_count == dry_run);
  CHECK(searches[0].before == place.clock.Now() - std::chrono::hours(1));
}

TEST_CASE("prune: limits of unneeded and copied bytes are respected") {
  Place place;
  // Every data pack also has blobs that only the forgotten snapshot needs.
  std::vector<int> most = Range(0, 150);
  std::erase_if(most, [](int file) { return file % 10 == 0; });
  place.SaveTwoForgetOne(Range(0, 150), most);
  PruneOptions options;

  SECTION("any amount may stay") {
    options.max_unused_percent.reset();
    CHECK(place.Run(options).packs_repacked == 0);
  }
  SECTION("a percentage of the remaining bytes") {
    options.max_unused_percent = 50;
    CHECK(place.Run(options).packs_repacked == 0);
  }
  SECTION("a number of bytes") {
    options.max_unused_bytes = 0;
    const PruneReport report = place.Run(options);
    CHECK(report.packs_repacked > 0);
    CHECK(report.bytes_left_unneeded == 0);
  }
  SECTION("a limit for copying") {
    options.max_unused_percent = 0;
    options.max_repack_bytes = 20U << 20;
    const PruneReport report = place.Run(options);
    CHECK(report.bytes_repacked <= 20U << 20);
    CHECK(report.packs_repacked > 0);
    CHECK(report.bytes_left_unneeded > 0);
  }
  place.RequireSound(1);
}

TEST_CASE("prune: many small packs become a few") {
  Place place;
  auto repository = place.Open();
  for (int i = 0; i < 12; ++i) place.Save(*repository, {i});
  const std::uint64_t packs = place.CountFiles(FileKind::kPack);
  CHECK(packs >= 24);

  const PruneReport report = place.Run();

  CHECK(report.packs_removed == packs);
  CHECK(place.CountFiles(FileKind::kPack) <= 4);
  CHECK(place.CountFiles(FileKind::kIndex) == 1);
  place.RequireSound(12);
}

TEST_CASE(
    "prune: leftovers of an interrupted backup are removed, and a duplicate blob is kept once") {
  Place place;
  {
    auto one = place.Open();
    auto other = place.Open();
    place.Save(*one, Range(0, 30));
    place.Save(*other, Range(0, 30));
    auto writer = BlobWriter::Begin(*other, nullptr);
    Unwrap(writer->Save(BlobType::kData, RandomBytes(place.random, 17U << 20)));
  }
  PruneOptions options;
  options.max_unused_percent = 0;

  const PruneReport report = place.Run(options);

  CHECK(report.packs_unindexed == 1);
  CHECK(report.bytes_unneeded >= 30U * 300'000);
  place.RequireSound(2);
}

TEST_CASE("prune: if a needed blob is missing, nothing is changed") {
  Place place;
  place.SaveTwoForgetOne(Range(0, 10), Range(5, 15));
  const std::string changed = GENERATE(std::string("a missing pack"), std::string("a short pack"));
  for (const FileName& pack : FileNames(place.storage, FileKind::kPack)) {
    Bytes content = Unwrap(place.storage.Get(pack, {}));
    Unwrap(place.storage.Remove(pack));
    content.pop_back();
    if (changed == "a short pack") {
      Unwrap(place.storage.Put(pack, content, PutMode::kReplace));
    }
  }
  const std::size_t files = place.CountFiles(FileKind::kPack);

  Progress progress;
  REQUIRE_FAILS(PruneRepository(*place.Open(), {}, progress, {}), ErrorCode::kCorrupt, "");
  CHECK(place.CountFiles(FileKind::kPack) == files);
}

TEST_CASE("prune: a listed snapshot that cannot be found does not count as forgotten") {
  Place place;
  {
    auto repository = place.Open();
    place.Save(*repository, Range(0, 20));
    place.Save(*repository, Range(20, 40));
  }
  const std::uint64_t before = place.PackBytes();
  FaultyRepository faulty(place);
  faulty.faults.Set({.code = ErrorCode::kNotFound,
                     .calls = {testing::StorageCall::kGet},
                     .kind = FileKind::kSnapshot,
                     .first = 2,
                     .last = 2});

  Progress progress;
  REQUIRE_FAILS(PruneRepository(*faulty.repository, {}, progress, {}), ErrorCode::kUnavailable,
                "was listed but does not exist");
  CHECK(place.PackBytes() == before);
  place.RequireSound(2);
}

TEST_CASE("prune: a damaged blob is not copied, and nothing is removed") {
  Place place;
  place.SaveTwoForgetOne(Range(0, 40), Range(20, 40));
  for (const FileName& pack : FileNames(place.storage, FileKind::kPack)) {
    Bytes content = Unwrap(place.storage.Get(pack, {}));
    if (content.size() < 1'000'000) continue;  // the directories
    for (std::size_t i = 100; i < content.size(); i += 10'000) content[i] ^= 1;
    Unwrap(place.storage.Put(pack, content, PutMode::kReplace));
  }
  const std::uint64_t before = place.PackBytes();
  PruneOptions options;
  options.max_unused_percent = 0;

  Progress progress;
  REQUIRE_FAILS(PruneRepository(*place.Open(), options, progress, {}), ErrorCode::kCorrupt, "");
  CHECK(place.PackBytes() >= before);
}

// Two writers that did not know each other, so that some files are in two packs.
struct TwoWriters : Place {
  TwoWriters(const std::vector<int>& by_one, const std::vector<int>& by_other) {
    auto one = Open();
    auto other = Open();
    snapshot_of_one = Save(*one, by_one);
    for (const PackContents& pack : IndexedPacks()) packs_of_one.insert(pack.id);
    Save(*other, by_other);
  }
  // The packs of the first writer are first in the index, or last.
  void Order(bool one_is_first) {
    std::vector<PackContents> packs = IndexedPacks();
    std::ranges::stable_partition(packs, [&](const PackContents& pack) {
      return packs_of_one.contains(pack.id) == one_is_first;
    });
    ReplaceIndex(packs);
  }
  // Changes one byte in each large blob of one writer's packs.
  void Damage(bool of_one) {
    for (const PackContents& pack : IndexedPacks()) {
      if (packs_of_one.contains(pack.id) != of_one) continue;
      const FileName name{FileKind::kPack, pack.id.Hex()};
      Bytes content = Unwrap(storage.Get(name, {}));
      for (const PackContents::Blob& blob : pack.blobs) {
        if (blob.length > 100'000) content[blob.offset + 20] ^= 1;
      }
      Unwrap(storage.Put(name, content, PutMode::kReplace));
    }
  }
  std::set<std::string> Files() {
    std::set<std::string> files;
    for (const FileKind kind : {FileKind::kPack, FileKind::kIndex}) {
      for (const FileName& name : FileNames(storage, kind)) files.insert(FilePath(name));
    }
    return files;
  }

  Id snapshot_of_one;
  std::set<Id> packs_of_one;
};

void RequireWholeCopiesWin(TwoWriters place) {
  place.Order(GENERATE(true, false));
  place.Forget(place.snapshot_of_one);
  place.Damage(true);
  PruneOptions options;
  options.max_unused_percent = 0;

  place.Run(options);

  place.RequireSound(1);
}

TEST_CASE("prune: the intact one of two copies stays, whichever is first in the index") {
  RequireWholeCopiesWin({Range(0, 30), Range(0, 30)});
}

TEST_CASE("prune: if the damaged one of two copies would be moved, the intact one is") {
  RequireWholeCopiesWin({Range(0, 40), Range(20, 60)});
}

TEST_CASE("prune: if both copies are damaged, nothing is changed") {
  TwoWriters place(Range(0, 30), Range(0, 30));
  place.Damage(true);
  place.Damage(false);
  const std::set<std::string> before = place.Files();

  Progress progress;
  REQUIRE_FAILS(PruneRepository(*place.Open(), {}, progress, {}), ErrorCode::kCorrupt,
                "nothing was changed");
  CHECK(place.Files() == before);
}

TEST_CASE("prune: the readable one of two copies stays, and without one nothing is removed") {
  TwoWriters place(Range(0, 30), Range(0, 30));
  place.Order(true);
  place.Forget(place.snapshot_of_one);
  const bool has_other = GENERATE(true, false);
  struct Storage final : testing::ForwardingStorage {
    using ForwardingStorage::ForwardingStorage;
    Result<Bytes> Get(const FileName& name, ByteRange range) override {
      if (!archived.contains(name.name)) return ForwardingStorage::Get(name, range);
      return Fail(ErrorCode::kUnsupported,
                  "the file is in an archive storage class: first restore it and all similar "
                  "files, and exclude the repository from lifecycle rules");
    }
    std::set<std::string> archived;
  };
  auto storage = std::make_unique<Storage>(place.storage);
  for (const PackContents& pack : place.IndexedPacks()) {
    const bool has_data = std::ranges::any_of(
        pack.blobs, [](const PackContents::Blob& blob) { return blob.length > 100'000; });
    const bool is_out_of_reach = place.packs_of_one.contains(pack.id) || !has_other;
    if (has_data && is_out_of_reach) storage->archived.insert(pack.id.Hex());
  }
  auto repository = place.OpenOn(std::move(storage));
  PruneOptions options;
  options.max_unused_percent = 0;
  const std::set<std::string> before = place.Files();
  Progress progress;

  const Result<PruneReport> report = PruneRepository(*repository, options, progress, {});

  if (has_other) {
    REQUIRE_OK(report);
    place.RequireSound(1);
  } else {
    REQUIRE_FAILS(report, ErrorCode::kUnsupported, "nothing was changed");
    CHECK(place.Files() == before);
  }
}

// Otherwise their damage would be found.
TEST_CASE("prune: copies are not read if none is removed") {
  TwoWriters place(Range(0, 30), Range(10, 40));
  place.Damage(true);
  place.Damage(false);
  PruneOptions options;
  options.max_unused_percent.reset();

  CHECK(place.Run(options).packs_repacked == 0);
}

// Whichever call fails, before or after its work: everything can be restored, and the next prune
// finishes.
TEST_CASE("prune: a fault in any call loses nothing") {
  const bool after_the_work = GENERATE(false, true);
  bool has_failed = true;
  for (std::uint64_t k = 1; has_failed; ++k) {
    REQUIRE(k < 200);
    Place place;
    place.SaveTwoForgetOne(Range(0, 6), Range(4, 8));
    FaultyRepository faulty(place);
    faulty.faults.Set(
        {.code = ErrorCode::kUnavailable, .first = k, .last = k, .after_the_work = after_the_work});
    PruneOptions options;
    options.max_unused_percent = 0;
    Progress progress;
    has_failed = !PruneRepository(*faulty.repository, options, progress, {});

    Unwrap(place.Open()->index().Load({}));
    const PruneReport report = place.Run(options);
    CHECK(report.bytes_left_unneeded == 0);
    place.RequireSound(1);
  }
}

}  // namespace
}  // namespace holdfast::repository
