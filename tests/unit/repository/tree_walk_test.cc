// Walking, counting and comparing trees. tests/integration/cli/test_repository.py compares the
// results with stock restic.
#include "common/repository/snapshot/tree_walk.h"

#include "common/repository/snapshot/tree_diff.h"
#include "common/repository/snapshot/tree_stats.h"
#include "tests/support/catch.h"
#include "tests/support/items.h"
#include "tests/support/repository_fixture.h"

namespace holdfast::repository {
namespace {
using namespace holdfast::testing;

struct WalkFixture : RepositoryFixture {
  template <typename... Some>
  SnapshotInfo Save(Some... items) {
    const Id id = Unwrap(TryWriteSnapshot(*repository, Items(std::move(items)...)));
    Unwrap(repository->index().Load({}));
    return Unwrap(LoadSnapshot(repository->files(), id));
  }
  std::vector<std::string> Diff(const SnapshotInfo& first, const SnapshotInfo& second,
                                bool with_attributes = false) {
    std::vector<std::string> lines;
    const TreeNode one = Unwrap(FindNode(*repository, first, "data"));
    const TreeNode two = Unwrap(FindNode(*repository, second, "data"));
    counts = Unwrap(DiffTrees(repository->blobs(), *one.subtree, *two.subtree, with_attributes,
                              [&](const TreeChange& change) -> Result<void> {
                                lines.push_back(std::string(change.change) + " " + change.path);
                                return {};
                              },
                              {}));
    return lines;
  }
  TreeStats Count(StatsMode mode, const std::vector<SnapshotInfo>& snapshots) {
    StatsCounter counter(repository->blobs(), mode);
    for (const SnapshotInfo& snapshot : snapshots) REQUIRE_OK(counter.Add(snapshot, {}));
    return counter.stats();
  }
  std::unique_ptr<Repository> repository = Open();
  DiffReport counts;
};

class Collect final : public TreeVisitor {
 public:
  Result<bool> Visit(const std::string& path, const TreeNode&) override {
    if (path == stop_at) return Fail(ErrorCode::kUnavailable, "enough");
    seen.push_back(path);
    return path != skip;
  }
  void Leave(const Id&) override { seen.emplace_back("<"); }
  std::vector<std::string> seen;
  std::string skip;
  std::string stop_at;
};

TEST_CASE("tree walk: a directory comes before its entries, sorted by name") {
  WalkFixture fixture;
  const SnapshotInfo snapshot =
      fixture.Save(FileItem("data/b/x", "1"), FileItem("data/a", "2"), FileItem("data/c/y/z", "3"));
  const TreeNode top = Unwrap(FindNode(*fixture.repository, snapshot, "/data/"));
  Collect all;
  REQUIRE_OK(WalkTree(fixture.repository->blobs(), *top.subtree, "data", all, {}));
  CHECK(all.seen == std::vector<std::string>{"data/a", "data/b", "data/b/x", "<", "data/c",
                                             "data/c/y", "data/c/y/z", "<", "<", "<"});

  Collect some;
  some.skip = "c";
  REQUIRE_OK(WalkTree(fixture.repository->blobs(), *top.subtree, "", some, {}));
  CHECK(some.seen == std::vector<std::string>{"a", "b", "b/x", "<", "c", "<"});

  Collect stopped;
  stopped.stop_at = "b";
  REQUIRE_FAILS(WalkTree(fixture.repository->blobs(), *top.subtree, "", stopped, {}),
                ErrorCode::kUnavailable, "enough");
  REQUIRE_FAILS(FindNode(*fixture.repository, snapshot, "data/d"), ErrorCode::kNotFound, "data/d");
}

TEST_CASE("tree walk: a missing directory is named") {
  WalkFixture fixture;
  const SnapshotInfo snapshot = fixture.Save(FileItem("data/a/b", "1"));
  const TreeNode top = Unwrap(FindNode(*fixture.repository, snapshot, "data"));
  RemoveFiles(fixture.storage, FileKind::kPack);
  Collect all;
  REQUIRE_FAILS(WalkTree(fixture.repository->blobs(), *top.subtree, "data", all, {}),
                ErrorCode::kCorrupt, "read directory \"data\"");
}

TEST_CASE("tree diff: added, removed and changed entries") {
  WalkFixture fixture;
  const SnapshotInfo first =
      fixture.Save(FileItem("data/changed", "one"), FileItem("data/gone/a", "x"),
                   FileItem("data/same/a", "y"), FileItem("data/type", "z"));
  const SnapshotInfo second =
      fixture.Save(FileItem("data/changed", "three"), FileItem("data/new", "w"),
                   FileItem("data/same/a", "y"), LinkItem("data/type", "same"));

  CHECK(fixture.Diff(first, second) ==
        std::vector<std::string>{"M changed", "- gone/", "- gone/a", "+ new", "T type"});
  CHECK(fixture.counts.changed_files == 1);
  CHECK(fixture.counts.removed.directories == 1);
  CHECK(fixture.counts.removed.files == 1);
  CHECK(fixture.counts.removed.data_blobs == 3);  // one, x, z
  CHECK(fixture.counts.removed.tree_blobs == 2);  // data, gone
  CHECK(fixture.counts.added.files == 1);
  CHECK(fixture.counts.added.data_blobs == 2);  // three, w
  CHECK(fixture.counts.added.tree_blobs == 1);
  CHECK(fixture.Diff(first, first).empty());
  CHECK(fixture.counts.added.bytes == 0);
}

TEST_CASE("tree diff: a copied file adds no data") {
  WalkFixture fixture;
  const SnapshotInfo first = fixture.Save(FileItem("data/keep/a", "content"));
  const SnapshotInfo second =
      fixture.Save(FileItem("data/keep/a", "content"), FileItem("data/copy", "content"));

  CHECK(fixture.Diff(first, second) == std::vector<std::string>{"+ copy"});
  CHECK(fixture.counts.added.data_blobs == 0);
  CHECK(fixture.counts.added.tree_blobs == 1);
}

TEST_CASE("tree diff: attributes are compared on request, and silent corruption is marked") {
  WalkFixture fixture;
  Item other = FileItem("data/mode", "x");
  other.attributes.mode = 0600;
  const SnapshotInfo first = fixture.Save(FileItem("data/mode", "x"), FileItem("data/rot", "abc"));
  const SnapshotInfo second = fixture.Save(std::move(other), FileItem("data/rot", "abd"));

  CHECK(fixture.Diff(first, second) == std::vector<std::string>{"M? rot"});
  CHECK(fixture.Diff(first, second, true) == std::vector<std::string>{"U mode", "M? rot"});
}

TEST_CASE("tree stats: each counting mode") {
  WalkFixture fixture;
  Item linked = FileItem("data/linked", "12345");
  linked.attributes.links = 2;
  linked.attributes.inode = 7;
  Item twin = FileItem("data/twin", "12345");
  twin.attributes.links = 2;
  twin.attributes.inode = 7;
  const SnapshotInfo first =
      fixture.Save(std::move(linked), std::move(twin), FileItem("data/a", "123"));
  const SnapshotInfo second = fixture.Save(FileItem("data/a", "123"), FileItem("data/b", "12"));
  const std::vector<SnapshotInfo> both = {first, second};

  const TreeStats restored = fixture.Count(StatsMode::kRestoreSize, {second});
  const TreeStats all = fixture.Count(StatsMode::kRestoreSize, both);
  CHECK(all.snapshots == 2);
  CHECK(all.entries > restored.entries);
  const TreeStats contents = fixture.Count(StatsMode::kFilesByContents, both);
  CHECK(all.bytes == restored.bytes + fixture.Count(StatsMode::kRestoreSize, {first}).bytes);
  CHECK(contents.bytes < all.bytes);
  const TreeStats blobs = fixture.Count(StatsMode::kBlobsPerFile, both);
  CHECK(blobs.entries == blobs.blobs);
  CHECK(blobs.bytes == contents.bytes);
  const TreeStats raw = fixture.Count(StatsMode::kRawData, both);
  CHECK(raw.blobs > blobs.blobs);  // includes directories
  CHECK(raw.bytes_stored > 0);
  CHECK(fixture.Count(StatsMode::kRawData, {first, second, first}).blobs == raw.blobs);

  CHECK(Unwrap(ParseStatsMode("raw-data")) == StatsMode::kRawData);
  CHECK(StatsModeName(StatsMode::kBlobsPerFile) == "blobs-per-file");
  REQUIRE_FAILS(ParseStatsMode("size"), ErrorCode::kInvalidArgument, "unknown mode");
}

}  // namespace
}  // namespace holdfast::repository
