#include <sys/stat.h>

#include <atomic>

#include "common/crypto/sha256.h"
#include "common/io/atomic_file.h"
#include "common/repository/format/tree_codec.h"
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

Item OwnedBySelf(Item item) {
  item.attributes.uid = getuid();
  item.attributes.gid = getgid();
  return item;
}

struct ViewFixture : RepositoryFixture {
  ViewFixture() {
    id = Unwrap(TryWriteSnapshot(
        *repository,
        Items(OwnedBySelf(FileItem("data/etc/hosts", "127.0.0.1")),
              OwnedBySelf(FileItem("data/etc/hostname", "n1")),
              OwnedBySelf(LinkItem("data/etc/link", "hosts")),
              OwnedBySelf(DirectoryItem("data/srv")), OwnedBySelf(FileItem("data/srv/big", big)))));
    view = OpenView(*repository, id);
  }
  Result<ExtractOutcome> Extract(const ExtractOptions& options = {}) {
    return view->Extract(directory.path(), options, progress, {});
  }
  bool Has(const std::string& path) const { return Exists(directory.path() + "/" + path); }

  std::unique_ptr<Repository> repository = Open();
  Bytes big = RandomBytes(random, 3'000'000);
  Id id;
  std::unique_ptr<SnapshotView> view;
  TempDir directory = Unwrap(TempDir::Create("view"));
  Progress progress;
};

TEST_CASE("view: stats, lists and opens paths") {
  ViewFixture fixture;
  SnapshotView& view = *fixture.view;
  CHECK(view.snapshot_id() == fixture.id.Hex());
  CHECK(Unwrap(view.Stat("data/etc/hosts"))->size == 9);
  CHECK(Unwrap(view.Stat("/data/etc/"))->type == NodeType::kDirectory);
  CHECK(Unwrap(view.Stat(""))->type == NodeType::kDirectory);
  CHECK_FALSE(Unwrap(view.Stat("data/etc/nothing")));
  CHECK_FALSE(Unwrap(view.Stat("data/etc/hosts/below")));
  REQUIRE_FAILS(view.Stat("data/../data"), ErrorCode::kInvalidArgument, "is not a path inside");
  CHECK(PathsOf(view, "data/etc") ==
        std::vector<std::string>{"data/etc/hostname", "data/etc/hosts", "data/etc/link"});
  CHECK(Unwrap(ReadPath(view, "data/srv/big")) == fixture.big);
  REQUIRE_FAILS(view.Open("data"), ErrorCode::kInvalidArgument, "is not a file");
  REQUIRE_FAILS(view.List("data/etc/hosts", [](const ViewEntry&) { return Result<void>(); }),
                ErrorCode::kInvalidArgument, "is not a directory");
  Result<void> stopped = view.List("data", [](const ViewEntry&) -> Result<void> {
    return Fail(ErrorCode::kCancelled, "enough");
  });
  REQUIRE_FAILS(stopped, ErrorCode::kCancelled, "enough");
  // Reentrant calls from a callback.
  REQUIRE_OK(view.List("data/etc", [&](const ViewEntry& entry) -> Result<void> {
    HF_ASSIGN(auto attributes, view.Stat("data/etc/" + entry.name));
    CHECK(attributes.has_value());
    return {};
  }));
}

TEST_CASE("view: errors for unknown paths list similar ones") {
  ViewFixture fixture;
  REQUIRE_FAILS(fixture.view->Open("data/etc/hots"), ErrorCode::kNotFound,
                "\"data/etc/\" has \"hosts\"");
  REQUIRE_FAILS(fixture.view->Open("date/etc"), ErrorCode::kNotFound,
                "its top directory has \"data\"");
  REQUIRE_FAILS(fixture.view->Open("data/zzzzzz"), ErrorCode::kNotFound, "\"etc\", \"srv\"");
  ExtractOptions options;
  options.paths = {"data/etc/hosts", "data/etc/hostnam"};
  REQUIRE_FAILS(fixture.Extract(options), ErrorCode::kNotFound, "hostname");
  CHECK_FALSE(fixture.Has("data"));
}

TEST_CASE("view: extracts everything below the snapshot's path") {
  ViewFixture fixture;
  ExtractOutcome outcome = Unwrap(fixture.Extract());
  CHECK(outcome.items == 8);
  CHECK(ReadText(fixture.directory.path() + "/data/etc/hosts") == "127.0.0.1");
  CHECK(ToBytes(ReadText(fixture.directory.path() + "/data/srv/big")) == fixture.big);
  CHECK(fixture.Has("manifest.json"));
  CHECK(fixture.progress.items == 8);
  CHECK(fixture.progress.bytes == outcome.bytes);
  struct stat status {};
  REQUIRE(stat((fixture.directory.path() + "/data/srv").c_str(), &status) == 0);
  CHECK((status.st_mode & 07777) == 0700);
  CHECK(status.st_mtim.tv_sec == 1'600'000'000);
}

TEST_CASE("view: extracts some paths, stripped or not") {
  ViewFixture fixture;
  ExtractOptions options;
  options.paths = {"data/etc/hosts", "/data/etc/", "data/etc/link"};
  CHECK(Unwrap(fixture.Extract(options)).items == 4);
  CHECK(fixture.Has("data/etc/hostname"));
  CHECK_FALSE(fixture.Has("data/srv"));
  CHECK_FALSE(fixture.Has("manifest.json"));

  options.paths = {"data/etc/hosts"};
  options.strip = "data/etc";
  CHECK(Unwrap(fixture.Extract(options)).items == 1);
  CHECK(fixture.Has("hosts"));
  options.paths.clear();
  options.strip = "data";
  CHECK(Unwrap(fixture.Extract(options)).items == 6);
  CHECK(fixture.Has("srv/big"));

  options.paths = {"manifest.json"};
  REQUIRE_FAILS(fixture.Extract(options), ErrorCode::kInvalidArgument, "is not in \"data\"");
  options.paths = {"data/etc"};
  options.strip = "data/etc/hosts";
  REQUIRE_FAILS(fixture.Extract(options), ErrorCode::kInvalidArgument, "is not a directory");
  options.strip = "nowhere";
  REQUIRE_FAILS(fixture.Extract(options), ErrorCode::kNotFound, "nowhere");
}

TEST_CASE("view: stops on request") {
  ViewFixture fixture;
  std::stop_source stop;
  stop.request_stop();
  REQUIRE_FAILS(
      fixture.view->Extract(fixture.directory.path(), {}, fixture.progress, stop.get_token()),
      ErrorCode::kCancelled, "stopped");
}

// Writes a snapshot with `nodes` at the top, as any program with the password can.
Id ForeignSnapshot(Repository& repository, const std::string& nodes) {
  SaveBlob(repository, BlobType::kData, AsBytes("12345"));
  return SaveForeignSnapshot(repository, SaveForeignTree(repository, nodes).Hex());
}

const std::string kFive = HexEncode(crypto::Sha256Of(AsBytes("12345")));

TEST_CASE("view: damage elsewhere does not prevent a restore of the rest") {
  RepositoryFixture fixture;
  auto repository = fixture.Open();
  const std::string lost(64, 'a');
  Id id =
      ForeignSnapshot(*repository, R"({"name":"a","type":"file","size":5,"content":[")" + kFive +
                                       R"("]},)"
                                       R"({"name":"b","type":"file","size":5,"content":[")" +
                                       lost +
                                       R"("]},)"
                                       R"({"name":"c","type":"file","size":6,"content":[")" +
                                       kFive +
                                       R"("]},)"
                                       R"({"name":"d","type":"dir","mode":2147484141,"subtree":")" +
                                       lost +
                                       R"("},)"
                                       R"({"name":"e","type":"file","size":5,"content":[")" +
                                       kFive + R"("]})");
  auto view = OpenView(*repository, id);
  TempDir directory = Unwrap(TempDir::Create("view"));
  Progress progress;

  ExtractOptions options;
  options.restore_owner = false;
  Result<ExtractOutcome> outcome = view->Extract(directory.path(), options, progress, {});

  REQUIRE_FAILS(outcome, ErrorCode::kCorrupt, "3 of the snapshot's files and directories");
  REQUIRE_FAILS(outcome, ErrorCode::kCorrupt, "read \"b\"");
  REQUIRE_FAILS(outcome, ErrorCode::kCorrupt, "its blobs have 5 bytes, but its size is 6");
  CHECK(ReadText(directory.path() + "/a") == "12345");
  CHECK(ReadText(directory.path() + "/e") == "12345");
  CHECK_FALSE(Exists(directory.path() + "/b"));
  CHECK_FALSE(Exists(directory.path() + "/c"));
  REQUIRE_FAILS(ReadPath(*view, "b"), ErrorCode::kCorrupt, lost);
  REQUIRE_FAILS(ReadPath(*view, "c"), ErrorCode::kCorrupt, "size is 6");
  REQUIRE_FAILS(view->Stat("d/x"), ErrorCode::kCorrupt, lost);
}

// A storage that counts reads from several threads.
class CountingStorage final : public ForwardingStorage {
 public:
  using ForwardingStorage::ForwardingStorage;
  Result<Bytes> Get(const FileName& name, ByteRange range) override {
    ++reads;
    return ForwardingStorage::Get(name, range);
  }
  std::atomic<int> reads = 0;
};

TEST_CASE("view: a directory larger than the cache is read once, not per entry") {
  RepositoryFixture fixture;
  auto writing = fixture.Open();
  constexpr int kEntries = 80'000;  // a tree of about 40 MB
  auto writer = PartWriter::Begin(*writing, {});
  for (int i = 0; i < kEntries; ++i) {
    Item item = FileItem(fmt::format("data/huge/{:0200}", i), "");
    item.content = {};
    Unwrap(writer->Add(std::move(item)));
  }
  Part part = Unwrap(writer->Finish());
  Id id = Unwrap(Compose(*writing, {&part, 1}, ManifestOf("files", "app"), ComposeAs(*writing)));
  CountingStorage storage(fixture.storage);
  auto repository = fixture.OpenOn(std::make_unique<BorrowedStorage>(storage));
  auto view = OpenView(*repository, id);
  (void)Unwrap(view->Stat(fmt::format("data/huge/{:0200}", 0)));

  const int before = storage.reads;
  for (int i = 0; i < 20; ++i) {
    CHECK(Unwrap(view->Stat(fmt::format("data/huge/{:0200}", i * 1000))));
    CHECK(Unwrap(view->Stat("data")));
    CHECK_FALSE(Unwrap(view->Stat("nothing/at/all")));
  }

  CHECK(storage.reads <= before + 3);
}

TEST_CASE("view: hostile names never leave the directory") {
  RepositoryFixture fixture;
  auto repository = fixture.Open();
  for (const char* name : {"..", "a/b", "\\x2e\\x2e", ""}) {
    std::string escaped;
    for (const char* c = name; *c != 0; ++c) escaped += *c == '\\' ? "\\\\" : std::string(1, *c);
    Id id = ForeignSnapshot(*repository, R"({"name":")" + escaped + R"(","type":"fifo"})");
    auto view = OpenView(*repository, id);
    TempDir directory = Unwrap(TempDir::Create("view"));
    Progress progress;
    INFO(name);
    REQUIRE_FAILS(view->Extract(directory.path(), {}, progress, {}), ErrorCode::kCorrupt,
                  "is not a valid file name");
  }
}

TEST_CASE("view: an unreadable manifest is an error, a foreign one is ignored") {
  RepositoryFixture fixture;
  auto repository = fixture.Open();
  Part part = WritePart(*repository, Items(FileItem("f", "x")));
  Manifest manifest = ManifestOf("files", "app");
  manifest.format_version = 2;
  Id newer = Unwrap(Compose(*repository, {&part, 1}, manifest, ComposeAs(*repository)));
  SnapshotInfo info = Unwrap(FindSnapshot(Unwrap(ListSnapshots(*repository)), newer.Hex()));
  REQUIRE_FAILS(OpenSnapshot(*repository, info), ErrorCode::kUnsupported, "newer Holdfast");

  Id foreign = ForeignSnapshot(
      *repository,
      R"({"name":"manifest.json","type":"file","size":5,"content":[")" + kFive + R"("]})");
  CHECK_FALSE(OpenView(*repository, foreign)->manifest());
}

// The same, but tagged as Holdfast's files/app.
Id ForgedSnapshot(Repository& repository, const std::string& nodes) {
  auto writer = BlobWriter::Begin(repository, nullptr);
  Unwrap(writer->Save(BlobType::kData, AsBytes("12345")));
  Id tree = Unwrap(writer->Save(BlobType::kTree, AsBytes("{\"nodes\":[" + nodes + "]}\n")));
  for (const char* name : {"app", "files"}) {
    const std::string above = fmt::format(
        R"({{"nodes":[{{"name":"{}","type":"dir","mode":2147484141,"subtree":"{}"}}]}})", name,
        tree.Hex());
    tree = Unwrap(writer->Save(BlobType::kTree, AsBytes(above)));
  }
  Unwrap(writer->Finish());
  const std::string json = fmt::format(
      R"({{"time":"2026-11-21T05:45:28Z","paths":["/files/app"],"tags":["kind:files"],"tree":"{}"}})",
      tree.Hex());
  return Unwrap(repository.files().Save(FileKind::kSnapshot, AsBytes(json)));
}

TEST_CASE("view: a manifest longer than its size is not read completely") {
  RepositoryFixture fixture;
  auto repository = fixture.Open();
  const Id piece = SaveBlob(*repository, BlobType::kData, Bytes(8U << 20, ' '));
  std::string content;
  for (int i = 0; i < 100; ++i) content += (i == 0 ? "\"" : ",\"") + piece.Hex() + '"';
  const Id id =
      ForgedSnapshot(*repository, R"({"name":"manifest.json","type":"file","size":5,"content":[)" +
                                      content + "]}");
  const SnapshotInfo info = Unwrap(LoadSnapshot(repository->files(), id));
  REQUIRE_FAILS(OpenSnapshot(*repository, info), ErrorCode::kCorrupt, "manifest.json");
}

TEST_CASE("view: a lost manifest affects no other file") {
  RepositoryFixture fixture;
  auto repository = fixture.Open();
  const Id id = ForgedSnapshot(
      *repository, R"({"name":"a","type":"file","size":5,"content":[")" + kFive +
                       R"("]},{"name":"manifest.json","type":"file","size":5,"content":[")" +
                       std::string(64, 'a') + R"("]})");
  auto view = OpenView(*repository, id);
  CHECK_FALSE(view->manifest());
  TempDir directory = Unwrap(TempDir::Create("view"));
  Progress progress;
  ExtractOptions options;
  options.restore_owner = false;

  REQUIRE_FAILS(view->Extract(directory.path(), options, progress, {}), ErrorCode::kCorrupt,
                "manifest.json");
  CHECK(ReadText(directory.path() + "/a") == "12345");
}

}  // namespace
}  // namespace holdfast::repository
