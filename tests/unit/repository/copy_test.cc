#include "common/repository/maintain/copy.h"

#include <set>

#include "common/base/format.h"
#include "common/repository/snapshot/snapshot_codec.h"
#include "tests/support/catch.h"
#include "tests/support/faulty_repository.h"
#include "tests/support/forwarding_storage.h"
#include "tests/support/items.h"
#include "tests/support/repository_check.h"

namespace holdfast::repository {
namespace {
using testing::FileItem;
using testing::Items;
using testing::RandomBytes;
using testing::RepositoryFixture;
using testing::RequireError;
using testing::Unwrap;
using State = SnapshotCopy::State;

// Two repositories with different keys.
struct Places {
  Id Save(Repository& repository, std::string_view name, std::uint64_t seed,
          std::size_t size = 300'000) {
    testing::SeededRandom content(seed);
    const Bytes bytes = RandomBytes(content, size);
    from.clock.Advance(std::chrono::seconds(1));
    return Unwrap(testing::TryWriteSnapshot(
        repository, Items(FileItem("data/" + std::string(name), AsText(bytes)),
                          FileItem("data/same", std::string_view("in all of them")))));
  }
  CopyReport Run(Repository& target, const CopyOptions& options = {}) {
    return Run(from.Open(), target, options);
  }
  CopyReport Run(std::unique_ptr<Repository> source, Repository& target,
                 const CopyOptions& options = {}) {
    auto chosen = Unwrap(ListSnapshots(*source));
    auto present = Unwrap(ListSnapshots(target));
    Unwrap(target.index().Load({}));
    Progress progress;
    return CopySnapshots(*source, target, std::move(chosen), present, options, progress, {});
  }
  CopyReport Run(const CopyOptions& options = {}) {
    auto target = to.Open();
    return Run(*target, options);
  }
  void RequireSound(std::uint64_t snapshots) { testing::RequireSound(*to.Open(), snapshots); }
  // Flips a byte in the pack that holds the first blob of a file.
  void Damage(const Id& snapshot, std::string_view path) {
    auto source = from.Open();
    const SnapshotInfo info = Unwrap(LoadSnapshot(source->files(), snapshot));
    const auto view = Unwrap(OpenSnapshot(*source, info));
    const Bytes content = Unwrap(testing::ReadPath(*view, path));
    source->index().ForEachBlob([&](BlobType type, const Id& id, const BlobLocation& location) {
      if (type != BlobType::kData) return;
      const Bytes blob = Unwrap(source->blobs().Load(type, id));
      if (!std::equal(blob.begin(), blob.end(), content.begin())) return;
      const FileName name{FileKind::kPack, location.pack.Hex()};
      Bytes pack = Unwrap(from.storage.Get(name, {}));
      pack[location.offset + 20] ^= 1;
      Unwrap(from.storage.Put(name, pack, PutMode::kReplace));
    });
  }

  RepositoryFixture from{1};
  RepositoryFixture to{2};
};

TEST_CASE("copy: every snapshot is copied once and completely") {
  Places places;
  Id first;
  Id second;
  {
    auto source = places.from.Open();
    first = places.Save(*source, "a", 1);
    second = places.Save(*source, "b", 2, 9'000'000);
  }

  const CopyReport report = places.Run();

  CHECK_FALSE(report.error);
  REQUIRE(report.snapshots.size() == 2);
  CHECK(report.snapshots[0].snapshot.id == first);
  CHECK(report.snapshots[1].state == State::kCopied);
  CHECK(report.bytes_added > 9'300'000);
  places.RequireSound(2);
  auto target = places.to.Open();
  auto source = places.from.Open();
  const SnapshotInfo copy = Unwrap(LoadSnapshot(target->files(), *report.snapshots[1].copy));
  const SnapshotInfo original = Unwrap(LoadSnapshot(source->files(), second));
  CHECK(copy.original == second);
  CHECK_FALSE(copy.parent);
  CHECK(IsSameSnapshot(copy, original));
  CHECK(copy.bytes_processed == original.bytes_processed);
  CHECK(copy.program_version == original.program_version);
  const auto view = testing::OpenView(*target, copy.id);
  CHECK(AsText(Unwrap(testing::ReadPath(*view, "data/same"))) == "in all of them");

  const std::size_t packs = places.to.CountFiles(FileKind::kPack);
  const CopyReport again = places.Run(*target);
  CHECK(again.snapshots[0].state == State::kPresent);
  CHECK(again.snapshots[1].copy == copy.id);
  CHECK(again.data_blobs + again.tree_blobs == 0);
  CHECK(places.to.CountFiles(FileKind::kPack) == packs);
}

TEST_CASE("copy: a directory too large for memory is copied unchanged") {
  Places places;
  std::vector<Item> items = Items(testing::DirectoryItem("data"));
  for (int i = 0; i < 8'500; ++i) {
    items.push_back(testing::LinkItem(fmt::format("data/{:05}", i), std::string(2'000, 'x')));
  }
  Unwrap(testing::TryWriteSnapshot(*places.from.Open(), std::move(items)));

  const CopyReport report = places.Run();

  CHECK(report.snapshots.at(0).state == State::kCopied);
  CHECK(report.bytes_added > 16'000'000);
  places.RequireSound(1);
  CHECK(places.Run().bytes_stored == 0);
}

TEST_CASE("copy: a copy copied back is recognized as the original") {
  Places places;
  places.Save(*places.from.Open(), "a", 1);
  REQUIRE(places.Run().snapshots.at(0).state == State::kCopied);
  auto source = places.to.Open();
  auto target = places.from.Open();
  auto present = Unwrap(ListSnapshots(*target));
  Progress progress;

  const CopyReport back =
      CopySnapshots(*source, *target, Unwrap(ListSnapshots(*source)), present, {}, progress, {});

  CHECK(back.snapshots.at(0).state == State::kPresent);
  CHECK(back.snapshots.at(0).copy == present.at(0).id);
}

TEST_CASE("copy: a dry run counts and stores nothing") {
  Places places;
  places.Save(*places.from.Open(), "a", 1);
  const std::size_t files = places.to.CountFiles(FileKind::kPack);

  const CopyReport report = places.Run({.dry_run = true});

  CHECK(report.snapshots.at(0).state == State::kLeft);
  CHECK(report.data_blobs >= 3);
  CHECK(report.bytes_read > 300'000);
  CHECK(places.to.CountFiles(FileKind::kPack) == files);
  CHECK(places.to.CountFiles(FileKind::kSnapshot) == 0);
}

TEST_CASE("copy: lost data affects only the snapshots that need it") {
  Places places;
  Id bad;
  {
    auto source = places.from.Open();
    bad = places.Save(*source, "bad", 1);
  }
  {
    auto source = places.from.Open();
    places.Save(*source, "good", 2);
  }
  SECTION("a damaged data blob") { places.Damage(bad, "data/bad"); }
  SECTION("a directory that is in no pack") {
    auto source = places.from.Open();
    const SnapshotInfo snapshot = Unwrap(LoadSnapshot(source->files(), bad));
    const BlobLocation location = *source->index().Find(BlobType::kTree, snapshot.tree);
    Unwrap(places.from.storage.Remove({FileKind::kPack, location.pack.Hex()}));
  }

  const CopyReport report = places.Run();

  CHECK_FALSE(report.error);
  CHECK(report.snapshots.at(0).state == State::kFailed);
  RequireError(report.snapshots.at(0).error, ErrorCode::kCorrupt, "which is lost");
  CHECK(report.snapshots.at(1).state == State::kCopied);
  places.RequireSound(1);
}

TEST_CASE("copy: a damaged blob is read from another pack that has it") {
  Places places;
  {
    auto one = places.from.Open();
    auto other = places.from.Open();
    places.Save(*one, "a", 1);
    places.Save(*other, "a", 1);
  }
  const bool is_gone = GENERATE(false, true);
  auto source = places.from.Open();
  std::optional<Id> pack;
  source->index().ForEachBlob([&](BlobType type, const Id&, const BlobLocation& location) {
    if (type == BlobType::kData && !pack) pack = location.pack;
  });
  const FileName name{FileKind::kPack, pack->Hex()};
  Bytes content = Unwrap(places.from.storage.Get(name, {}));
  for (std::size_t i = 50; i < content.size(); i += 5'000) content[i] ^= 1;
  Unwrap(places.from.storage.Remove(name));
  if (!is_gone) Unwrap(places.from.storage.Put(name, content, PutMode::kReplace));

  const CopyReport report = places.Run();

  CHECK(report.snapshots.at(0).state == State::kCopied);
  CHECK(report.snapshots.at(1).state == State::kCopied);
  places.RequireSound(2);
}

TEST_CASE(
    "copy: an unreadable pack is replaced by another, or affects only snapshots that need it") {
  Places places;
  // Two writers that do not know each other store equal content blobs, but different top trees.
  const auto [type, has_another] =
      GENERATE(std::pair(BlobType::kData, true), std::pair(BlobType::kData, false),
               std::pair(BlobType::kTree, false));
  const auto packs = [&, wanted = type] {
    std::set<std::string> names;
    places.from.Open()->index().ForEachBlob(
        [&](BlobType each, const Id&, const BlobLocation& location) {
          const bool is_content = each == BlobType::kTree || location.plain_length > 50'000;
          if (each == wanted && is_content) names.insert(location.pack.Hex());
        });
    return names;
  };
  auto one = places.from.Open();
  auto other = places.from.Open();
  places.Save(*one, "first", 7);
  const std::set<std::string> before = packs();
  const Id needing = places.Save(*one, "a", 1);
  std::set<std::string> withheld = packs();
  std::erase_if(withheld, [&](const std::string& name) { return before.contains(name); });
  REQUIRE_FALSE(withheld.empty());
  if (has_another) places.Save(*other, "a", 1);
  places.Save(*one, "last", 9);
  class Withholding final : public testing::ForwardingStorage {
   public:
    Withholding(Storage& inner, std::set<std::string> packs)
        : ForwardingStorage(inner), packs_(std::move(packs)) {}
    Result<Bytes> Get(const FileName& name, ByteRange range) override {
      if (!packs_.contains(name.name)) return ForwardingStorage::Get(name, range);
      return Fail(ErrorCode::kUnsupported, "it lies in an archive", "have it brought back");
    }

   private:
    const std::set<std::string> packs_;
  };
  auto source = places.from.OpenOn(std::make_unique<Withholding>(places.from.storage, withheld));
  auto target = places.to.Open();

  const CopyReport report = places.Run(std::move(source), *target);

  CHECK_FALSE(report.error);
  for (const SnapshotCopy& copy : report.snapshots) {
    const bool is_kept = !has_another && copy.snapshot.id == needing;
    CHECK(copy.state == (is_kept ? State::kFailed : State::kCopied));
    REQUIRE(copy.error.has_value() == is_kept);
    if (!is_kept) continue;
    CHECK(copy.error->code() == ErrorCode::kUnsupported);
    CHECK(copy.error->hint() == "have it brought back");
    CHECK_THAT(copy.error->message(), Catch::Contains("which cannot be read: ") &&
                                          Catch::Contains("it lies in an archive") &&
                                          !Catch::Contains("lost"));
  }
  places.RequireSound(has_another ? 4 : 2);
}

TEST_CASE("copy: a fault in any call leaves nothing incomplete, and the next copy finishes") {
  const bool after_the_work = GENERATE(false, true);
  bool has_failed = true;
  for (std::uint64_t k = 1; has_failed; ++k) {
    REQUIRE(k < 100);
    Places places;
    {
      auto source = places.from.Open();
      places.Save(*source, "a", 1);
      places.Save(*source, "b", 2);
    }
    testing::FaultyRepository target(places.to);
    target.faults.Set({.code = ErrorCode::kUnavailable,
                       .calls = {testing::StorageCall::kPut},
                       .first = k,
                       .last = k,
                       .after_the_work = after_the_work});
    has_failed = places.Run(*target.repository).error.has_value();

    places.RequireSound(places.to.CountFiles(FileKind::kSnapshot));
    const CopyReport report = places.Run();
    CHECK_FALSE(report.error);
    places.RequireSound(2);
  }
}

TEST_CASE("copy: all fields are preserved, except parent, tree and original") {
  const Id original{{1, 2, 3}};
  const Id tree{{4, 5}};
  const std::string text = Unwrap(EncodeCopy(
      R"({"time":"2020-01-02T03:04:05.5+01:00","parent":"aa","tree":"bb", "other" : {"x":[1, 2]},"original":"cc"})",
      original, tree));
  CHECK(text == R"({"time":"2020-01-02T03:04:05.5+01:00","tree":")" + tree.Hex() +
                    R"(","other":{"x":[1, 2]},"original":")" + original.Hex() + "\"}");
  REQUIRE_FAILS(EncodeCopy("{\"time\":", original, tree), ErrorCode::kCorrupt, "copy a snapshot");
  REQUIRE_FAILS(EncodeCopy("{} x", original, tree), ErrorCode::kCorrupt, "copy a snapshot");
}

}  // namespace
}  // namespace holdfast::repository
