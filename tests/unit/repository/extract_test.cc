#include <sys/stat.h>

#include <algorithm>
#include <map>
#include <mutex>

#include "common/io/atomic_file.h"
#include "common/repository/snapshot/repository_view.h"
#include "tests/support/catch.h"
#include "tests/support/file_trees.h"
#include "tests/support/foreign_snapshot.h"
#include "tests/support/forwarding_storage.h"
#include "tests/support/items.h"
#include "tests/support/repository_fixture.h"

namespace holdfast::repository {
namespace {
using namespace holdfast::testing;

// Counts the bytes read from packs. Fails these reads, or requests a stop, after a given amount.
class MeasuredStorage final : public ForwardingStorage {
 public:
  using ForwardingStorage::ForwardingStorage;
  Result<Bytes> Get(const FileName& name, ByteRange range) override {
    Result<Bytes> content = ForwardingStorage::Get(name, range);
    std::lock_guard lock(mutex_);
    if (name.kind != FileKind::kPack || !content) return content;
    if (name.name == withheld) {
      return Fail(ErrorCode::kUnsupported, "it lies in an archive", "have it brought back");
    }
    if (bytes >= fail_after) return Fail(ErrorCode::kUnavailable, "the line is dead");
    bytes += content->size();
    if (bytes >= stop_after) stop.request_stop();
    return content;
  }
  std::size_t bytes = 0;
  std::size_t fail_after = SIZE_MAX;
  std::size_t stop_after = SIZE_MAX;
  std::stop_source stop;
  std::string withheld;  // a pack that exists but cannot be read

 private:
  std::mutex mutex_;
};

Item Own(Item item) {
  item.attributes.uid = getuid();
  item.attributes.gid = getgid();
  return item;
}

Item Named(Item item, std::uint64_t inode) {
  item.attributes.inode = inode;
  item.attributes.links = 2;
  return Own(std::move(item));
}

constexpr std::size_t kBigBytes = 12'000'000;

struct ExtractFixture : RepositoryFixture {
  ExtractFixture() {
    sparse[5'000'000] = 1;
    REQUIRE_OK(MakeDirectories(out));
    auto writing = Open();
    id = Unwrap(TryWriteSnapshot(
        *writing,
        Items(Own(DirectoryItem("data")), Own(DirectoryItem("data/etc")),
              Own(FileItem("data/etc/hosts", "127.0.0.1")), Own(FileItem("data/etc/a.conf", "a")),
              Own(LinkItem("data/etc/link", "hosts")),
              Named(FileItem("data/h1", "two names"), 4711),
              Named(FileItem("data/h2", "two names"), 4711), Own(DirectoryItem("data/srv")),
              Own(FileItem("data/srv/big", big)), Own(FileItem("data/srv/sparse", sparse)))));
    repository = OpenOn(std::make_unique<BorrowedStorage>(storage_used));
    view = OpenView(*repository, id);
    storage_used.bytes = 0;
  }

  Result<ExtractOutcome> Extract(const ExtractOptions& options = {}) {
    storage_used.bytes = 0;
    Progress progress;
    ExtractOptions with_spare = options;
    with_spare.spare = ".spare";
    auto outcome = view->Extract(out, with_spare, progress, storage_used.stop.get_token());
    bytes_shown = progress.bytes;
    bytes_unchanged_shown = progress.bytes_unchanged;
    return outcome;
  }
  // The output of a dry run, such as "M data/etc/hosts".
  std::vector<std::string> Changes(ExtractOptions options) {
    std::vector<std::string> changes;
    options.dry_run = true;
    options.on_change = [&](const ExtractChange& change) -> Result<void> {
      changes.push_back(std::string(1, change.change) + " " + std::string(change.path) +
                        (change.is_directory ? "/" : ""));
      return {};
    };
    Unwrap(Extract(options));
    std::ranges::sort(changes);
    return changes;
  }
  std::string At(const std::string& path) const { return out + "/" + path; }
  std::string Text(const std::string& path) const { return ReadText(At(path)); }
  bool Has(const std::string& path) const { return Exists(At(path)); }
  struct stat Status(const std::string& path) const {
    struct stat status {};
    REQUIRE(lstat(At(path).c_str(), &status) == 0);
    return status;
  }
  // Replaces a file's content, with the same size and times.
  void ReplaceUnseen(const std::string& path, std::string_view text) const {
    const struct stat before = Status(path);
    WriteText(At(path), text);
    const struct timespec times[2] = {before.st_atim, before.st_mtim};
    REQUIRE(utimensat(AT_FDCWD, At(path).c_str(), times, 0) == 0);
  }

  std::uint64_t bytes_shown = 0;  // by the last Extract()
  std::uint64_t bytes_unchanged_shown = 0;
  Bytes big = RandomBytes(random, kBigBytes);
  Bytes sparse = Bytes(9'000'000, 0);
  Id id;
  MeasuredStorage storage_used{storage};
  std::unique_ptr<Repository> repository;
  std::unique_ptr<SnapshotView> view;
  TempDir directory = Unwrap(TempDir::Create("extract"));
  std::string out = directory.path() + "/out";
};

constexpr std::uint64_t kItems = 11;  // with manifest.json

TEST_CASE("extract: all entries are restored: small, large, sparse and hard-linked") {
  ExtractFixture fixture;
  const ExtractOutcome outcome = Unwrap(fixture.Extract());
  CHECK(outcome.items == kItems);
  CHECK(outcome.unchanged == 0);
  CHECK(fixture.bytes_shown > 0);
  CHECK(fixture.bytes_unchanged_shown == 0);
  CHECK(outcome.warnings.empty());
  CHECK(Unwrap(ReadWholeFile(fixture.At("data/srv/big"))) == fixture.big);
  CHECK(Unwrap(ReadWholeFile(fixture.At("data/srv/sparse"))) == fixture.sparse);
  CHECK(fixture.Status("data/srv/sparse").st_blocks * 512 <= 1 << 20);
  CHECK(fixture.Status("data/h1").st_ino == fixture.Status("data/h2").st_ino);
  CHECK(fixture.Status("data/srv/big").st_mtim.tv_sec == 1'600'000'000);
  for (const std::string& line : DescribeTree(fixture.out)) {
    CHECK_THAT(line, !Catch::Contains(".holdfast"));
  }
}

TEST_CASE("extract: the totals add up over several extractions") {
  ExtractFixture fixture;
  Progress progress;
  progress.items_total = 100;
  const auto extract = [&](const std::string& path) {
    (void)Unwrap(fixture.view->Extract(fixture.out, {.paths = {path}}, progress, {}));
  };
  extract("data/etc");
  CHECK(progress.items_total == 100);
  progress.items_total = 0;
  extract("data/srv");
  extract("data/etc");
  CHECK(progress.items_total == progress.items);
}

TEST_CASE("extract: equal files are left alone, by metadata or by hashes") {
  ExtractFixture fixture;
  (void)Unwrap(fixture.Extract());
  const std::vector<std::string> before = DescribeTree(fixture.out);
  std::map<std::string, struct stat> status;
  for (const char* path : {"data/etc/hosts", "data/srv/big", "data/etc/link", "data/h2"}) {
    status[path] = fixture.Status(path);
  }
  for (const Overwrite overwrite : {Overwrite::kIfChanged, Overwrite::kAlways}) {
    const ExtractOutcome outcome = Unwrap(fixture.Extract({.overwrite = overwrite}));
    CHECK(outcome.items == kItems);
    // A second name is not counted separately.
    CHECK(outcome.unchanged == kItems - 1);
    CHECK(outcome.bytes == 0);
    CHECK(fixture.bytes_shown > kBigBytes);
    CHECK(fixture.bytes_unchanged_shown == fixture.bytes_shown);
    CHECK(fixture.storage_used.bytes < 10'000);  // only directories
    for (const auto& [path, old] : status) {
      INFO(path);
      CHECK(fixture.Status(path).st_ino == old.st_ino);
      CHECK(fixture.Status(path).st_ctim.tv_nsec == old.st_ctim.tv_nsec);
    }
    CHECK(DescribeTree(fixture.out) == before);
  }
}

TEST_CASE("extract: the four overwrite modes") {
  ExtractFixture fixture;
  (void)Unwrap(fixture.Extract());
  const auto prepare = [&] {
    fixture.ReplaceUnseen("data/etc/hosts", "127.0.0.2");
    WriteText(fixture.At("data/etc/a.conf"), "newer");
    WriteText(fixture.At("data/h1"), "older");
    SetTime(fixture.At("data/h1"), 1'500'000'000);
    REQUIRE((unlink(fixture.At("data/srv/sparse").c_str()) == 0 || errno == ENOENT));
  };
  struct Case {
    Overwrite overwrite;
    std::string hosts, conf, h1;
  };
  for (const Case& one : {Case{Overwrite::kAlways, "127.0.0.1", "a", "two names"},
                          {Overwrite::kIfChanged, "127.0.0.2", "a", "two names"},
                          {Overwrite::kIfNewer, "127.0.0.2", "newer", "two names"},
                          {Overwrite::kNever, "127.0.0.2", "newer", "older"}}) {
    prepare();
    const ExtractOutcome outcome = Unwrap(fixture.Extract({.overwrite = one.overwrite}));
    INFO(static_cast<int>(one.overwrite));
    CHECK(fixture.Text("data/etc/hosts") == one.hosts);
    CHECK(fixture.Text("data/etc/a.conf") == one.conf);
    CHECK(fixture.Text("data/h1") == one.h1);
    CHECK(Unwrap(ReadWholeFile(fixture.At("data/srv/sparse"))) == fixture.sparse);
    CHECK((outcome.skipped > 0) == (one.conf == "newer"));
    CHECK(fixture.Status("data/etc").st_mtim.tv_sec == 1'600'000'000);
  }
}

TEST_CASE("extract: only the missing blobs of a large file are read") {
  ExtractFixture fixture;
  (void)Unwrap(fixture.Extract());
  {
    Fd file = Unwrap(OpenFile(fixture.At("data/srv/big"), O_WRONLY));
    REQUIRE(pwrite(file.get(), "xyz", 3, 7'000'000) == 3);
  }

  const ExtractOutcome outcome = Unwrap(fixture.Extract({.overwrite = Overwrite::kIfChanged}));

  CHECK(Unwrap(ReadWholeFile(fixture.At("data/srv/big"))) == fixture.big);
  CHECK(outcome.bytes == kBigBytes);
  CHECK(fixture.storage_used.bytes < 9'000'000);
  // The file's own blobs were not read from the repository.
  CHECK(fixture.bytes_unchanged_shown >= fixture.bytes_shown - 9'000'000);
  CHECK(fixture.bytes_unchanged_shown < fixture.bytes_shown);
  // The same for longer and shorter files.
  REQUIRE(truncate(fixture.At("data/srv/big").c_str(), 6'000'000) == 0);
  (void)Unwrap(fixture.Extract({.overwrite = Overwrite::kAlways}));
  CHECK(Unwrap(ReadWholeFile(fixture.At("data/srv/big"))) == fixture.big);
  REQUIRE(truncate(fixture.At("data/srv/big").c_str(), 13'000'000) == 0);
  (void)Unwrap(fixture.Extract({.overwrite = Overwrite::kAlways}));
  CHECK(Unwrap(ReadWholeFile(fixture.At("data/srv/big"))) == fixture.big);
}

TEST_CASE("extract: changed attributes are set without touching the content") {
  ExtractFixture fixture;
  (void)Unwrap(fixture.Extract());
  REQUIRE(chmod(fixture.At("data/etc/hosts").c_str(), 0600) == 0);
  REQUIRE(chmod(fixture.At("data/srv/big").c_str(), 0600) == 0);
  const ino_t inode = fixture.Status("data/srv/big").st_ino;

  CHECK(fixture.Changes({.overwrite = Overwrite::kAlways}) ==
        std::vector<std::string>{"U data/etc/hosts", "U data/srv/big"});
  const ExtractOutcome outcome = Unwrap(fixture.Extract());

  CHECK(outcome.bytes == 0);
  CHECK(outcome.items - outcome.unchanged == 3);
  CHECK(fixture.Status("data/srv/big").st_ino == inode);
  CHECK((fixture.Status("data/srv/big").st_mode & 07777U) == 0644);
  CHECK((fixture.Status("data/etc/hosts").st_mode & 07777U) == 0644);
}

TEST_CASE("extract: existing symlinks are never followed") {
  ExtractFixture fixture;
  const std::string victim = fixture.directory.path() + "/victim";
  REQUIRE_OK(MakeDirectories(victim));
  WriteText(victim + "/hosts", "safe", 0600);
  const std::vector<std::string> before = DescribeTree(victim);
  REQUIRE_OK(MakeDirectories(fixture.At("data")));

  // In place of a directory: refused in every mode.
  REQUIRE(symlink(victim.c_str(), fixture.At("data/etc").c_str()) == 0);
  for (const Overwrite overwrite : {Overwrite::kAlways, Overwrite::kIfChanged}) {
    REQUIRE_FAILS(fixture.Extract({.overwrite = overwrite, .delete_extraneous = true}),
                  ErrorCode::kDenied, "symlink");
    CHECK(DescribeTree(victim) == before);
  }
  REQUIRE_FAILS(fixture.Extract({.dry_run = true}), ErrorCode::kDenied, "symlink");
  // With kNever the symlink is skipped, and not entered.
  CHECK(Unwrap(fixture.Extract({.overwrite = Overwrite::kNever})).skipped > 0);
  CHECK(DescribeTree(victim) == before);
  REQUIRE(unlink(fixture.At("data/etc").c_str()) == 0);

  // In place of files: replaced, and the targets stay.
  REQUIRE_OK(MakeDirectories(fixture.At("data/etc")));
  REQUIRE_OK(MakeDirectories(fixture.At("data/srv")));
  for (const char* path : {"data/etc/hosts", "data/etc/link", "data/srv/big", "data/h1"}) {
    (void)unlink(fixture.At(path).c_str());
    REQUIRE(symlink((victim + "/hosts").c_str(), fixture.At(path).c_str()) == 0);
  }
  REQUIRE(symlink(victim.c_str(), fixture.At("data/extra").c_str()) == 0);
  (void)Unwrap(fixture.Extract({.delete_extraneous = true}));
  CHECK(DescribeTree(victim) == before);
  CHECK(fixture.Text("data/etc/hosts") == "127.0.0.1");
  CHECK(Unwrap(ReadWholeFile(fixture.At("data/srv/big"))) == fixture.big);
  CHECK_FALSE(fixture.Has("data/extra"));
}

TEST_CASE("extract: a file with other hard links is recreated, not modified") {
  ExtractFixture fixture;
  (void)Unwrap(fixture.Extract());
  const std::string outside = fixture.directory.path() + "/outside";
  for (const auto& [path, mode] : {std::pair{"data/etc/hosts", 0600U}, {"data/srv/big", 0600U}}) {
    for (const Overwrite overwrite : {Overwrite::kIfChanged, Overwrite::kAlways}) {
      INFO(path);
      REQUIRE(link(fixture.At(path).c_str(), outside.c_str()) == 0);
      REQUIRE(chmod(outside.c_str(), mode) == 0);

      (void)Unwrap(fixture.Extract({.overwrite = overwrite}));

      struct stat status {};
      REQUIRE(stat(outside.c_str(), &status) == 0);
      CHECK((status.st_mode & 07777U) == mode);
      CHECK(status.st_ino != fixture.Status(path).st_ino);
      CHECK((fixture.Status(path).st_mode & 07777U) == 0644);
      REQUIRE(unlink(outside.c_str()) == 0);
    }
  }
}

TEST_CASE("extract: removes entries that are not in the snapshot, and no others") {
  ExtractFixture fixture;
  (void)Unwrap(fixture.Extract());
  const auto prepare = [&] {
    REQUIRE_OK(MakeDirectories(fixture.At("data/etc/more/deep")));
    for (const char* path : {"extra", ".spare", "data/x.conf", "data/etc/x.conf", "data/etc/x",
                             "data/etc/more/deep/x", "data/srv/x"}) {
      WriteText(fixture.At(path), "x");
    }
  };
  prepare();
  const std::vector<std::string> changes = fixture.Changes({.delete_extraneous = true});
  for (const char* wanted : {"- extra", "- data/etc/more/", "- data/etc/x.conf", "- data/srv/x"}) {
    CHECK(std::ranges::find(changes, wanted) != changes.end());
  }
  CHECK(fixture.Has("extra"));

  ExtractOutcome outcome = Unwrap(fixture.Extract({.delete_extraneous = true}));
  CHECK(outcome.removed == 6);
  for (const char* path : {"extra", "data/x.conf", "data/etc/x", "data/etc/more", "data/srv/x"}) {
    CHECK_FALSE(fixture.Has(path));
  }
  CHECK(fixture.Has(".spare"));
  CHECK(fixture.Status("data/etc").st_mtim.tv_sec == 1'600'000'000);

  prepare();  // only below the restored paths
  outcome = Unwrap(fixture.Extract({.paths = {"data/etc"}, .delete_extraneous = true}));
  CHECK(outcome.removed == 3);
  CHECK((fixture.Has("extra") && fixture.Has("data/x.conf") && fixture.Has("data/srv/x")));
  outcome = Unwrap(fixture.Extract({.paths = {"data/srv/big"}, .delete_extraneous = true}));
  CHECK(outcome.removed == 0);

  prepare();  // only matching entries, in each directory above restored ones
  outcome = Unwrap(fixture.Extract({.include = {"*.conf"}, .delete_extraneous = true}));
  CHECK(outcome.removed == 2);
  CHECK((fixture.Has("extra") && fixture.Has("data/etc/x") && fixture.Has("data/etc/more")));
  CHECK_FALSE(fixture.Has("data/x.conf"));

  prepare();
  outcome =
      Unwrap(fixture.Extract({.exclude = {"*.conf", "/data/srv"}, .delete_extraneous = true}));
  CHECK(
      (fixture.Has("data/x.conf") && fixture.Has("data/etc/x.conf") && fixture.Has("data/srv/x")));
  CHECK_FALSE((fixture.Has("extra") || fixture.Has("data/etc/more")));
}

TEST_CASE("extract: patterns select entries, and only their parent directories are created") {
  ExtractFixture fixture;
  CHECK(Unwrap(fixture.Extract({.include = {"*.conf"}})).items == 1);
  CHECK(fixture.Text("data/etc/a.conf") == "a");
  CHECK_FALSE((fixture.Has("data/etc/hosts") || fixture.Has("data/srv")));
  CHECK_FALSE(fixture.Has("manifest.json"));
  CHECK(fixture.Status("data/etc").st_mtim.tv_sec == 1'600'000'000);
  CHECK(fixture.Status("data").st_mtim.tv_sec == 1'600'000'000);
  CHECK(Unwrap(fixture.Extract({.include = {"/data/srv"}})).items == 3);
  CHECK(Unwrap(fixture.Extract({.include = {"/nothing"}})).items == 0);
  CHECK(Unwrap(fixture.Extract({.exclude = {"big", "/manifest.json"}})).items == kItems - 2);
  CHECK(fixture.Has("data/h1"));
  REQUIRE_FAILS(fixture.Extract({.include = {"["}}), ErrorCode::kInvalidArgument,
                "is not a pattern");
}

TEST_CASE("extract: a dry run lists the changes, and does nothing") {
  ExtractFixture fixture;
  const std::string real = fixture.out;
  fixture.out = fixture.directory.path() + "/not/there";
  CHECK(fixture.Changes({}) ==
        std::vector<std::string>{"+ data/", "+ data/etc/", "+ data/etc/a.conf", "+ data/etc/hosts",
                                 "+ data/etc/link", "+ data/h1", "+ data/h2", "+ data/srv/",
                                 "+ data/srv/big", "+ data/srv/sparse", "+ manifest.json"});
  CHECK_FALSE(Exists(fixture.directory.path() + "/not"));
  fixture.out = real;
  (void)Unwrap(fixture.Extract());
  CHECK(fixture.Changes({}).empty());

  WriteText(fixture.At("data/etc/hosts"), "127.0.0.3");
  WriteText(fixture.At("extra"), "x");
  REQUIRE(unlink(fixture.At("data/etc/link").c_str()) == 0);
  REQUIRE(symlink("other", fixture.At("data/etc/link").c_str()) == 0);
  REQUIRE(unlink(fixture.At("data/etc/a.conf").c_str()) == 0);
  REQUIRE(mkdir(fixture.At("data/etc/a.conf").c_str(), 0700) == 0);
  for (const char* path : {"data/etc", "data"}) SetTime(fixture.At(path), 1'600'000'000);
  const std::vector<std::string> before = DescribeTree(fixture.out);
  const std::vector<std::string> changes = fixture.Changes({.delete_extraneous = true});
  CHECK(DescribeTree(fixture.out) == before);
  for (const char* wanted :
       {"- extra", "M data/etc/hosts", "M data/etc/link", "T data/etc/a.conf"}) {
    INFO(wanted);
    CHECK(std::ranges::find(changes, wanted) != changes.end());
  }
}

TEST_CASE("extract: a non-empty directory is replaced only on request") {
  ExtractFixture fixture;
  REQUIRE_OK(MakeDirectories(fixture.At("data/etc/hosts/mine")));
  REQUIRE_FAILS(fixture.Extract(), ErrorCode::kDenied, "is a directory that is not empty");
  REQUIRE_FAILS(fixture.Extract({.dry_run = true}), ErrorCode::kDenied, "not empty");
  CHECK(fixture.Has("data/etc/hosts/mine"));
  (void)Unwrap(fixture.Extract({.delete_extraneous = true}));
  CHECK(fixture.Text("data/etc/hosts") == "127.0.0.1");
}

TEST_CASE("extract: an interrupted run leaves no incomplete file under its name, and is resumed") {
  ExtractFixture fixture;
  fixture.storage_used.fail_after = 6'000'000;
  REQUIRE_FAILS(fixture.Extract(), ErrorCode::kUnavailable, "the line is dead");
  CHECK_FALSE(fixture.Has("data/srv/big"));
  WriteText(fixture.At("data/srv/.holdfast-part-of-a-killed-one"), "half");
  fixture.storage_used.fail_after = SIZE_MAX;

  const ExtractOutcome outcome =
      Unwrap(fixture.Extract({.overwrite = Overwrite::kIfChanged, .resumes = true}));

  CHECK(outcome.items == kItems);
  CHECK(fixture.storage_used.bytes < 10'500'000);
  CHECK(Unwrap(ReadWholeFile(fixture.At("data/srv/big"))) == fixture.big);
  CHECK(Unwrap(ReadWholeFile(fixture.At("data/srv/sparse"))) == fixture.sparse);
  CHECK(outcome.removed == 0);
  for (const std::string& line : DescribeTree(fixture.out)) {
    CHECK_THAT(line, !Catch::Contains(".holdfast"));
  }
}

TEST_CASE("extract: a stop is reported the same way whether or not a file is being read") {
  ExtractFixture fixture;
  fixture.storage_used.stop_after = GENERATE(1U, 6'000'000U);

  const Result<ExtractOutcome> outcome = fixture.Extract();

  REQUIRE_FALSE(outcome);
  CHECK(outcome.error().code() == ErrorCode::kCancelled);
  CHECK(outcome.error().message() == "stopped by request");
}

TEST_CASE("extract: a file without enough space is not started") {
  RepositoryFixture fixture;
  auto repository = fixture.Open();
  const Id blob = SaveBlob(*repository, BlobType::kData, AsBytes("12345"));
  const std::string nodes =
      R"({"name":"huge","type":"file","size":4611686018427387904,"content":[")" + blob.Hex() +
      R"("]},{"name":"small","type":"file","size":5,"content":[")" + blob.Hex() + "\"]}";
  const Id tree = SaveForeignTree(*repository, nodes);
  const Id id = SaveForeignSnapshot(*repository, tree.Hex());
  auto view = OpenView(*repository, id);
  TempDir directory = Unwrap(TempDir::Create("extract"));
  Progress progress;

  Result<ExtractOutcome> outcome = view->Extract(directory.path(), {}, progress, {});

  REQUIRE_FAILS(outcome, ErrorCode::kNoSpace, "needs");
  CHECK_THAT(outcome.error().hint(), Catch::Contains("--include"));
  CHECK_FALSE(Exists(directory.path() + "/small"));
  ExtractOptions options;
  options.restore_owner = false;
  options.include = {"small"};
  (void)Unwrap(view->Extract(directory.path(), options, progress, {}));
  CHECK(ReadText(directory.path() + "/small") == "12345");
}

TEST_CASE("extract: a large file with a damaged blob is named and left out") {
  ExtractFixture fixture;
  // A blob from the second half of "big".
  const TreeNode node = Unwrap(static_cast<RepositoryView&>(*fixture.view).Need("data/srv/big"));
  const Id& lost = node.content.at(node.content.size() / 2);
  const BlobLocation location = *fixture.repository->index().Find(BlobType::kData, lost);
  const FileName name{FileKind::kPack, location.pack.Hex()};
  Bytes pack = Unwrap(fixture.storage.Get(name, {}));
  pack[location.offset + 20] ^= 1;
  Unwrap(fixture.storage.Put(name, pack, PutMode::kReplace));
  WriteText(fixture.At("extra"), "x");

  Result<ExtractOutcome> outcome = fixture.Extract({.delete_extraneous = true});

  REQUIRE_FAILS(outcome, ErrorCode::kCorrupt, "1 of the snapshot's files and directories");
  REQUIRE_FAILS(outcome, ErrorCode::kCorrupt, "read \"data/srv/big\"");
  CHECK_FALSE(fixture.Has("data/srv/big"));
  CHECK(fixture.Text("data/etc/hosts") == "127.0.0.1");
  CHECK(fixture.Has("extra"));  // nothing is removed if something is missing
  CHECK(DescribeTree(fixture.At("data/srv")).size() == 2);
}

TEST_CASE("extract: special rights that are not kept are left out, and reported") {
  ExtractFixture fixture;
  const auto with_mode = [](Item item, std::uint32_t mode) {
    item.attributes.mode = mode;
    return Own(std::move(item));
  };
  Item pipe = Own(LinkItem("data/pipe", ""));
  pipe.attributes.type = NodeType::kFifo;
  Item run = with_mode(FileItem("data/run", "x"), 06755);
  run.attributes.extended = {{"user.note", {1}}, {"trusted.note", {1}}};
  const Id id = Unwrap(TryWriteSnapshot(
      *fixture.repository, Items(with_mode(DirectoryItem("data"), 02755), std::move(pipe),
                                 std::move(run), with_mode(FileItem("data/x", "x"), 0640))));
  fixture.view = OpenView(*fixture.repository, id);
  LeftOutList left_out;
  ExtractOptions options{.special = SpecialRights::None(), .left_out = &left_out};
  const std::vector<std::string> lines = {"left out data/pipe: it is a FIFO",
                                          "left out of data/run: setuid, setgid, \"trusted.note\""};

  SECTION("a dry run") {
    const std::vector<std::string> changes = fixture.Changes(options);
    CHECK(std::ranges::find(changes, "+ data/run") != changes.end());
    CHECK(std::ranges::find(changes, "+ data/pipe") == changes.end());
    CHECK(left_out.Lines() == lines);
  }
  SECTION("an extraction, and a second one that finds everything as it should be") {
    Unwrap(fixture.Extract(options));
    CHECK(left_out.Lines() == lines);
    const ExtractOutcome again = Unwrap(fixture.Extract(options));
    CHECK(again.items > 3);
    CHECK(again.unchanged == again.items);
    const auto mode_of = [&fixture](const std::string& path) {
      struct stat status {};
      REQUIRE(stat(fixture.At(path).c_str(), &status) == 0);
      return status.st_mode & 07777U;
    };
    CHECK(mode_of("data/run") == 0755);
    CHECK(mode_of("data/x") == 0640);
    CHECK(mode_of("data") == 02755);
    CHECK_FALSE(fixture.Has("data/pipe"));
  }
}

// For example packs in an archive storage class.
TEST_CASE("extract: unreadable files are named, and all others are written") {
  ExtractFixture fixture;
  const auto pack_of = [&](const Id& id) {
    return fixture.repository->index().Find(BlobType::kData, id)->pack.Hex();
  };
  const auto content_of = [&](const std::string& path) {
    return Unwrap(static_cast<RepositoryView&>(*fixture.view).Need(path)).content;
  };
  fixture.storage_used.withheld = pack_of(content_of("data/etc/hosts").at(0));
  std::vector<std::string> withheld;
  std::vector<std::string> given;
  for (const std::string path : {"data/srv/big", "data/srv/sparse", "data/etc/hosts"}) {
    const bool is_given = std::ranges::none_of(content_of(path), [&](const Id& id) {
      return pack_of(id) == fixture.storage_used.withheld;
    });
    (is_given ? given : withheld).push_back(path);
  }
  WriteText(fixture.At("extra"), "x");

  const Result<ExtractOutcome> outcome = fixture.Extract({.delete_extraneous = true});

  for (const std::string& path : withheld) {
    INFO(path);
    REQUIRE_FAILS(outcome, ErrorCode::kUnsupported, "read \"" + path + "\"");
    CHECK_FALSE(fixture.Has(path));
  }
  for (const std::string& path : given) CHECK(fixture.Has(path));
  CHECK_THAT(outcome.error().message(), !Catch::Contains("damaged"));
  CHECK(outcome.error().hint() == "everything else was written; have it brought back");
  CHECK(fixture.Has("extra"));
  CHECK(fixture.Has("data/etc/link"));
  CHECK(fixture.Has("data/srv"));
}

}  // namespace
}  // namespace holdfast::repository
