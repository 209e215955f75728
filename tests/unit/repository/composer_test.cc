#include "common/repository/snapshot/composer.h"

#include "tests/support/catch.h"
#include "tests/support/items.h"
#include "tests/support/repository_fixture.h"

namespace holdfast::repository {
namespace {
using namespace holdfast::testing;

TEST_CASE("composer: one write makes the snapshot visible, with its manifest") {
  RepositoryFixture fixture;
  auto repository = fixture.Open();
  Part part = WritePart(*repository, Items(FileItem("data/f", "content")));
  REQUIRE(fixture.CountFiles(FileKind::kSnapshot) == 0);
  Manifest manifest = ManifestOf("files", "app");
  manifest.note = "hello";
  ComposeOptions options = ComposeAs(*repository);
  options.user = "root";
  fixture.clock.Advance(std::chrono::seconds(5));

  Id id = Unwrap(Compose(*repository, {&part, 1}, manifest, options));

  REQUIRE(fixture.CountFiles(FileKind::kSnapshot) == 1);
  auto other = fixture.Open();
  SnapshotInfo info = Unwrap(ListSnapshots(*other)).at(0);
  CHECK(info.id == id);
  CHECK(info.time.seconds == 1'700'000'000);
  CHECK(info.paths == std::vector<std::string>{"/files/app"});
  CHECK(info.host == "n1");
  CHECK(info.user == "root");
  CHECK(info.kind == "files");
  CHECK(info.run == "01HF7YAT000000000000000000");
  CHECK(info.program_version.starts_with("holdfast/"));
  CHECK(info.files == 2);
  auto view = OpenView(*other, id);
  CHECK(view->manifest() == manifest);
  CHECK(PathsOf(*view) == std::vector<std::string>{"data/", "data/f", "manifest.json"});
  CHECK(Unwrap(view->Stat("manifest.json"))->mode == 0600);
  // Stock restic sees the content below its path.
  SnapshotInfo foreign = info;
  foreign.kind.clear();
  CHECK(PathsOf(*Unwrap(OpenSnapshot(*other, foreign))).at(1) == "files/app/");
}

TEST_CASE("composer: parts are merged, including directories with the same path") {
  RepositoryFixture fixture;
  auto repository = fixture.Open();
  std::vector<Part> parts;
  parts.push_back(WritePart(
      *repository,
      Items(FileItem("data/a", "1"), FileItem("members/n1/f", "n1"), FileItem("x/y/1", "1"))));
  parts.push_back(
      WritePart(*repository, Items(FileItem("members/n2/f", "n2"), FileItem("x/y/2", "2"))));
  parts.push_back(WritePart(
      *repository,
      Items(DirectoryItem("members"), FileItem("members/n3/f", "n3"), FileItem("x/z", "3"))));

  Id id = Unwrap(Compose(*repository, parts, ManifestOf("files", "app"), ComposeAs(*repository)));

  auto view = OpenView(*repository, id);
  CHECK(PathsOf(*view) == std::vector<std::string>{"data/", "data/a", "manifest.json", "members/",
                                                   "members/n1/", "members/n1/f", "members/n2/",
                                                   "members/n2/f", "members/n3/", "members/n3/f",
                                                   "x/", "x/y/", "x/y/1", "x/y/2", "x/z"});
  CHECK(Unwrap(view->Stat("members"))->mode == 0700);  // from the part that has real attributes
  CHECK(Unwrap(ReadPath(*view, "members/n2/f")) == ToBytes("n2"));
}

TEST_CASE("composer: the same file in two parts is an error, and nothing becomes visible") {
  RepositoryFixture fixture;
  auto repository = fixture.Open();
  const auto fails = [&](Item a, Item b, const std::string& path) {
    std::vector<Part> parts;
    parts.push_back(WritePart(*repository, Items(std::move(a))));
    parts.push_back(WritePart(*repository, Items(std::move(b))));
    REQUIRE_FAILS(Compose(*repository, parts, ManifestOf("files", "app"), ComposeAs(*repository)),
                  ErrorCode::kInternal, Quote(path));
  };
  fails(FileItem("d/e/f", "1"), FileItem("d/e/f", "1"), "d/e/f");
  fails(FileItem("d", "1"), FileItem("d/x", "1"), "d");
  fails(FileItem("manifest.json", "1"), FileItem("a", "1"), "manifest.json");
  CHECK(fixture.CountFiles(FileKind::kSnapshot) == 0);
}

TEST_CASE(
    "composer: with kTakeFirst the first part's directory replaces others with the same file") {
  RepositoryFixture fixture;
  auto repository = fixture.Open();
  std::vector<Part> parts;
  parts.push_back(
      WritePart(*repository, Items(FileItem("data/t/1/log", "whole"),
                                   FileItem("data/t/1/more", "x"), FileItem("part.json", "1"))));
  parts.push_back(WritePart(*repository,
                            Items(FileItem("data/t/0/log", "of b"), FileItem("data/t/0/tail", "b"),
                                  FileItem("data/t/1/log", "half"), FileItem("data/t/1/other", "y"),
                                  FileItem("data/t/topic", "t"), FileItem("part.json", "2"))));
  parts.push_back(WritePart(*repository,
                            Items(FileItem("data/t/0/later", "c"), FileItem("data/t/0/log", "of c"),
                                  FileItem("data/t/2/log", "c"), FileItem("part.json", "3"))));
  ComposeOptions options = ComposeAs(*repository);
  options.leave_out = "part.json";
  REQUIRE_FAILS(Compose(*repository, parts, ManifestOf("files", "app"), options),
                ErrorCode::kInternal, Quote("data/t/0/log"));
  options.same_file = SameFile::kTakeFirst;

  Id id = Unwrap(Compose(*repository, parts, ManifestOf("files", "app"), options));

  auto view = OpenView(*repository, id);
  CHECK(PathsOf(*view) == std::vector<std::string>{"data/", "data/t/", "data/t/0/", "data/t/0/log",
                                                   "data/t/0/tail", "data/t/1/", "data/t/1/log",
                                                   "data/t/1/more", "data/t/2/", "data/t/2/log",
                                                   "data/t/topic", "manifest.json"});
  CHECK(Unwrap(ReadPath(*view, "data/t/0/log")) == ToBytes("of b"));
  CHECK(Unwrap(ReadPath(*view, "data/t/1/log")) == ToBytes("whole"));
}

TEST_CASE(
    "composer: a replaced directory must not contain directories missing from the first part") {
  RepositoryFixture fixture;
  auto repository = fixture.Open();
  ComposeOptions options = ComposeAs(*repository);
  options.same_file = SameFile::kTakeFirst;
  const auto compose = [&](std::vector<Item> a, std::vector<Item> b) {
    std::vector<Part> parts;
    parts.push_back(WritePart(*repository, std::move(a)));
    parts.push_back(WritePart(*repository, std::move(b)));
    return Compose(*repository, parts, ManifestOf("files", "app"), options);
  };

  REQUIRE_FAILS(compose(Items(FileItem("d/t/0/log", "1"), FileItem("d/t/topic", "1")),
                        Items(FileItem("d/t/1/log", "2"), FileItem("d/t/topic", "2"))),
                ErrorCode::kInternal, Quote("d/t/1"));
  REQUIRE_FAILS(compose(Items(FileItem("d/t/0", "1")), Items(FileItem("d/t/0/log", "2"))),
                ErrorCode::kInternal, Quote("d/t/0"));
  REQUIRE_FAILS(compose(Items(FileItem("top", "1")), Items(FileItem("top", "2"))),
                ErrorCode::kInternal, Quote("top"));
  CHECK(fixture.CountFiles(FileKind::kSnapshot) == 0);

  Id id = Unwrap(compose(Items(FileItem("d/t/0/log", "1"), FileItem("d/t/topic", "1")),
                         Items(FileItem("d/t/0/tail", "2"), FileItem("d/t/topic", "2"))));
  CHECK(PathsOf(*OpenView(*repository, id)) == std::vector<std::string>{"d/", "d/t/", "d/t/0/",
                                                                        "d/t/0/log", "d/t/topic",
                                                                        "manifest.json"});
}

TEST_CASE("composer: no parts, invalid paths and lost trees") {
  RepositoryFixture fixture;
  auto repository = fixture.Open();
  Id id = Unwrap(Compose(*repository, {}, ManifestOf("files", "app"), ComposeAs(*repository)));
  CHECK(PathsOf(*OpenView(*repository, id)) == std::vector<std::string>{"manifest.json"});

  for (const char* path : {"", "/", "/files", "files/app", "//app", "/files/", "/files/app/x"}) {
    ComposeOptions options = ComposeAs(*repository);
    options.path = path;
    INFO(path);
    REQUIRE_FAILS(Compose(*repository, {}, ManifestOf("files", "app"), options),
                  ErrorCode::kInvalidArgument, "snapshot path");
  }
  Part lost;
  lost.tree = Unwrap(ParseId(std::string(64, 'a')));
  REQUIRE_FAILS(
      Compose(*repository, {&lost, 1}, ManifestOf("files", "app"), ComposeAs(*repository)),
      ErrorCode::kCorrupt, std::string(64, 'a'));
  CHECK(fixture.CountFiles(FileKind::kSnapshot) == 1);
}

TEST_CASE("composer: the excluded name is excluded only at the top of the parts") {
  RepositoryFixture fixture;
  auto repository = fixture.Open();
  std::vector<Part> parts;
  parts.push_back(WritePart(
      *repository, Items(FileItem("data/part.json", "1"), FileItem("part.json", "of the first"))));
  parts.push_back(WritePart(*repository, Items(FileItem("part.json", "of the second"))));
  ComposeOptions options = ComposeAs(*repository);
  options.leave_out = "part.json";

  Id id = Unwrap(Compose(*repository, parts, ManifestOf("files", "app"), options));

  CHECK(PathsOf(*OpenView(*repository, id)) ==
        std::vector<std::string>{"data/", "data/part.json", "manifest.json"});
}

TEST_CASE("composer: a snapshot is sealed first, and can be written repeatedly") {
  RepositoryFixture fixture;
  auto repository = fixture.Open();
  Part part = WritePart(*repository, Items(FileItem("data/f", "content")));
  Bytes sealed = Unwrap(
      ComposeSealed(*repository, {&part, 1}, ManifestOf("files", "app"), ComposeAs(*repository)));
  CHECK(fixture.CountFiles(FileKind::kSnapshot) == 0);
  SnapshotInfo info = Unwrap(OpenSealedSnapshot(repository->files(), sealed));
  CHECK(info.kind == "files");

  CHECK(Unwrap(PutSnapshot(repository->files(), sealed, nullptr)) == info.id);
  CHECK(Unwrap(PutSnapshot(repository->files(), sealed, nullptr)) == info.id);
  CHECK(fixture.CountFiles(FileKind::kSnapshot) == 1);

  sealed[sealed.size() / 2] ^= 1;
  REQUIRE_FAILS(OpenSealedSnapshot(repository->files(), sealed), ErrorCode::kCorrupt, "");
}

TEST_CASE("composer: nothing becomes visible if the lock was removed") {
  RepositoryFixture fixture;
  auto repository = fixture.Open();
  auto lock = Unwrap(Lock::AcquireShared(*repository, fixture.lock_options()));
  const Part part = WritePart(*repository, Items(FileItem("data/f", "content")));
  ComposeOptions options = ComposeAs(*repository);
  options.lock = lock.get();
  REQUIRE_OK(Compose(*repository, {&part, 1}, ManifestOf("files", "app"), options));
  Unwrap(fixture.storage.Remove({FileKind::kLock, lock->id().Hex()}));

  REQUIRE_FAILS(Compose(*repository, {&part, 1}, ManifestOf("files", "app"), options),
                ErrorCode::kTimedOut, "the repository's lock was lost: another process removed it");

  CHECK(fixture.CountFiles(FileKind::kSnapshot) == 1);
}

TEST_CASE("composer: an unchanged state adds only the path's directories and a manifest") {
  RepositoryFixture fixture;
  auto repository = fixture.Open();
  Unwrap(TryWriteSnapshot(*repository, Items(FileItem("data/f", "content"))));
  Part again = WritePart(*repository, Items(FileItem("data/f", "content")));
  CHECK(again.statistics.blobs.data_blobs == 0);
  CHECK(again.statistics.blobs.tree_blobs == 0);
}

}  // namespace
}  // namespace holdfast::repository
