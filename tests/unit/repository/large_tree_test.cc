// Directories too large to hold their tree in memory, and very deep ones.
#include "common/repository/format/large_tree.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "common/base/format.h"
#include "common/crypto/sha256.h"
#include "common/filetree/walker.h"
#include "common/io/atomic_file.h"
#include "common/io/fd.h"
#include "common/repository/maintain/check.h"
#include "common/repository/maintain/prune.h"
#include "common/repository/snapshot/repository_view.h"
#include "common/repository/tree/tree_blobs.h"
#include "tests/support/catch.h"
#include "tests/support/items.h"
#include "tests/support/repository_check.h"
#include "tests/support/repository_fixture.h"

namespace holdfast::repository {
namespace {
using namespace holdfast::testing;

// Entries have two kilobytes, so that a large directory needs few.
constexpr int kMany = 9'000;

std::string NameOf(int number) { return fmt::format("entry-{:05}", number); }

TreeNode LongNode(int number) {
  TreeNode node;
  node.name = NameOf(number);
  node.attributes = AttributesOf(NodeType::kSymlink, 0777);
  node.attributes.link_target = fmt::format("{}\"}}{{[\\", number) + std::string(2'000, 'x');
  return node;
}

Item LongItem(const std::string& directory, int number) {
  return LinkItem(directory + "/" + NameOf(number), LongNode(number).attributes.link_target);
}

// A builder with `count` entries, starting at 0.
TreeBuilder Built(int count, std::optional<Compression> compression) {
  TreeBuilder builder = compression ? TreeBuilder(*compression) : TreeBuilder();
  for (int i = 0; i < count; ++i) REQUIRE(builder.Add(LongNode(i)));
  return builder;
}

Result<std::vector<std::string>> Split(std::string_view text, std::size_t piece) {
  std::vector<std::string> nodes;
  TreeSplitter splitter;
  for (std::size_t at = 0; at < text.size(); at += piece) {
    HF_TRY(
        splitter.Add(AsBytes(text.substr(at, piece)), [&](std::string_view node) -> Result<void> {
          nodes.emplace_back(node);
          return {};
        }));
  }
  HF_TRY(splitter.Finish());
  return nodes;
}

TEST_CASE("large tree: text in pieces is split into its nodes wherever the pieces end") {
  const std::string text =
      R"( {"a":[{"nodes":[{"name":"no"}]}, "]}\"", 5],"b" : -1.5e3 ,"c":null,"nodes" : [)"
      R"({"name":"x","k":{"l":["}"]}} ,)"
      "\n"
      R"({"name":"\\\"{"}],"d":"}","e":{}} )"
      "\n";
  const std::vector<std::string> nodes = {R"({"name":"x","k":{"l":["}"]}})", R"({"name":"\\\"{"})"};

  for (std::size_t piece = 1; piece <= text.size(); ++piece) {
    REQUIRE(Unwrap(Split(text, piece)) == nodes);
  }
  REQUIRE(Unwrap(Split("{\"nodes\":[]}\n", 3)).empty());
  REQUIRE(Unwrap(Split("{\"nodes\":null}", 3)).empty());
}

TEST_CASE("large tree: malformed node lists are corrupt") {
  const std::string text =
      GENERATE(as<std::string>{}, "", "[]", "{", "{}", "{}}", R"({"nodes":[{}})",
               R"({"nodes":[{}{}]})", R"({"nodes":[{},]})", R"({"nodes":[,{}]})",
               R"({"nodes":[1]})", R"({"nodes":["x"]})", R"({"nodes":[[]]})", R"({"nodes":{}})",
               R"({"nodes":[]} x)", R"({"nodes":[],})", R"({"nodes" []})", R"({nodes:[]})",
               R"({"nodes":[{"name":"x"})", R"({"nodes":[{"name":"x)", R"({"other":[{}]})");
  CAPTURE(text);
  REQUIRE_FAILS(Split(text, 1), ErrorCode::kCorrupt, "");
  REQUIRE_FAILS(Split(text, 100), ErrorCode::kCorrupt, "");
}

TEST_CASE("large tree: its bytes equal those of a tree built in memory") {
  TreeBuilder small = Built(kMany, std::nullopt);
  TreeBuilder large = Built(kMany, Compression::kAuto);
  REQUIRE(large.is_large());
  REQUIRE(large.size() == kMany);
  REQUIRE_FALSE(large.Add(LongNode(kMany - 1)));
  REQUIRE(large.Has(NameOf(kMany - 1)));
  REQUIRE_FALSE(large.Has(NameOf(kMany)));
  REQUIRE(large.is_large());

  const Bytes blob = Unwrap(small.Finish());
  const GrowingTree::Finished finished = Unwrap(large.FinishLarge());

  REQUIRE(finished.bytes == blob.size());
  REQUIRE(finished.id.bytes == crypto::Sha256Of(blob));
  REQUIRE(finished.frame.size() < blob.size() / 10);
  Bytes text(blob.size());
  REQUIRE_OK(
      Decompressor().DecompressInto(finished.frame.view().subspan(crypto::kSealIvBytes), text));
  REQUIRE(text == blob);
}

TEST_CASE("large tree: a name out of order is still sorted in") {
  TreeBuilder expected = Built(kMany, std::nullopt);
  TreeNode late = LongNode(4);
  late.name = "entry-00004-late";
  REQUIRE(expected.Add(late));
  TreeBuilder builder = Built(kMany, Compression::kAuto);
  REQUIRE(builder.is_large());

  REQUIRE(builder.Has(NameOf(7)));
  REQUIRE_FALSE(builder.Add(LongNode(0)));
  REQUIRE(builder.Add(late));
  REQUIRE_FALSE(builder.Add(late));

  REQUIRE_FALSE(builder.is_large());
  REQUIRE(Unwrap(builder.Finish()) == Unwrap(expected.Finish()));
}

TEST_CASE("large tree: a directory packed in pieces works like one in memory") {
  const Id id = Unwrap(ParseId(std::string(64, '7')));
  const Directory plain = Unwrap(Directory::Parse(id, Unwrap(Built(500, std::nullopt).Finish())));
  Directory::Packer packer(id);
  for (std::size_t i = 0; i < plain.size(); ++i) packer.Add(plain.name(i), plain.json(i));

  const std::optional<Directory> packed = packer.Finish();

  REQUIRE(packed);
  REQUIRE(packed->id() == id);
  REQUIRE(packed->size() == plain.size());
  REQUIRE(packed->memory() < plain.memory() / 4);
  for (std::size_t i = 0; i < plain.size(); i += 7) {
    const std::size_t far = plain.size() - 1 - i;  // alternates between pieces
    for (const std::size_t entry : {i, far}) {
      REQUIRE(packed->name(entry) == plain.name(entry));
      REQUIRE(packed->json(entry) == plain.json(entry));
      REQUIRE(packed->Find(NameOf(static_cast<int>(entry))) == entry);
      REQUIRE(Unwrap(packed->Node(entry)).attributes == Unwrap(plain.Node(entry)).attributes);
    }
  }
  REQUIRE_FALSE(packed->Find("entry"));
  REQUIRE_FALSE(packed->Find("entry-00100x"));
  REQUIRE_FALSE(packed->Find("f"));
}

TEST_CASE("large tree: unsorted entries are not packed") {
  Directory::Packer packer(Id{});
  packer.Add("b", "{}");
  packer.Add("a", "{}");
  REQUIRE_FALSE(packer.Finish());
}

// A part with one large directory.
struct LargePart {
  LargePart() : repository(fixture.Open()) {
    auto writer = PartWriter::Begin(*repository, {});
    Unwrap(writer->Add(DirectoryItem("d")));
    for (int i = 0; i < kMany; ++i) Unwrap(writer->Add(LongItem("d", i)));
    Unwrap(writer->Add(FileItem("d/zz-last", "content")));
    part = Unwrap(writer->Finish());
    tree = *Unwrap(Unwrap(LoadDirectory(repository->blobs(), part.tree)).Node(0)).subtree;
  }
  RepositoryFixture fixture;
  std::unique_ptr<Repository> repository;
  Part part;
  Id tree;
};

TEST_CASE("large tree: it is stored as one blob and read in pieces") {
  LargePart large;
  Repository& repository = *large.repository;
  REQUIRE(large.part.statistics.blobs.tree_blobs == 2);
  REQUIRE(large.part.statistics.blobs.bytes_added > kLargeTreeBytes);
  REQUIRE(repository.index().Find(BlobType::kTree, large.tree)->plain_length > kLargeTreeBytes);

  int count = 0;
  REQUIRE_OK(VisitTreeOf(repository.blobs(), large.tree,
                         [&](const TreeNode& node, std::string_view) -> Result<void> {
                           if (count < kMany && node.name != NameOf(count)) FAIL(node.name);
                           ++count;
                           return {};
                         }));
  REQUIRE(count == kMany + 1);
  const Bytes blob = Unwrap(repository.blobs().Load(BlobType::kTree, large.tree));
  REQUIRE(Unwrap(Directory::Parse(large.tree, blob)).size() == kMany + 1);
  REQUIRE(Unwrap(LoadDirectory(repository.blobs(), large.tree)).memory() < blob.size() / 2);
  auto other = large.fixture.Open();  // shows that the blob is in the stored index
  REQUIRE(other->index().Find(BlobType::kTree, large.tree));
}

TEST_CASE("large tree: an equal tree is not stored again, and a visitor's error ends the visit") {
  LargePart large;
  const std::size_t packs = large.fixture.CountFiles(FileKind::kPack);
  auto writer = PartWriter::Begin(*large.repository, {});
  REQUIRE_OK(writer->Add(DirectoryItem("d")));
  for (int i = 0; i < kMany; ++i) REQUIRE_OK(writer->Add(LongItem("d", i)));
  REQUIRE_OK(writer->Add(FileItem("d/zz-last", "content")));
  REQUIRE(Unwrap(writer->Finish()).tree == large.part.tree);
  REQUIRE(large.fixture.CountFiles(FileKind::kPack) == packs);

  int count = 0;
  REQUIRE_FAILS(VisitTreeOf(large.repository->blobs(), large.tree,
                            [&](const TreeNode&, std::string_view) -> Result<void> {
                              if (++count < 3) return {};
                              return Fail(ErrorCode::kNoSpace, "enough");
                            }),
                ErrorCode::kNoSpace, "enough");
  REQUIRE(count == 3);
}

TEST_CASE("large tree: damage is detected before the first node is visited") {
  LargePart large;
  const BlobLocation location = *large.repository->index().Find(BlobType::kTree, large.tree);
  const FileName pack{FileKind::kPack, location.pack.Hex()};
  Bytes content = Unwrap(large.fixture.storage.Get(pack, {}));
  content[location.offset + location.length - 40] ^= 1;
  Unwrap(large.fixture.storage.Put(pack, content, PutMode::kReplace));
  int count = 0;
  const auto visit = [&]() {
    return VisitTreeOf(large.repository->blobs(), large.tree,
                       [&](const TreeNode&, std::string_view) -> Result<void> {
                         ++count;
                         return {};
                       });
  };

  REQUIRE_FAILS(visit(), ErrorCode::kCorrupt, location.pack.Hex());
  Unwrap(large.fixture.storage.Remove(pack));
  REQUIRE_FAILS(visit(), ErrorCode::kCorrupt, location.pack.Hex());
  REQUIRE(count == 0);
}

TEST_CASE("large tree: a rehash stores a damaged tree again, and repairs its snapshots") {
  LargePart large;
  const Id old = Unwrap(Compose(*large.repository, {&large.part, 1}, ManifestOf("files", "app"),
                                ComposeAs(*large.repository)));
  const BlobLocation location = *large.repository->index().Find(BlobType::kTree, large.tree);
  const FileName pack{FileKind::kPack, location.pack.Hex()};
  const bool is_gone = GENERATE(false, true);
  Bytes content = Unwrap(large.fixture.storage.Get(pack, {}));
  Unwrap(large.fixture.storage.Remove(pack));
  content[location.offset + location.length / 2] ^= 1;
  if (!is_gone) Unwrap(large.fixture.storage.Put(pack, content, PutMode::kReplace));
  auto repository = large.fixture.Open();
  const auto save_again = [&] {
    auto writer = PartWriter::Begin(*repository, {.known = KnownBlobs::kVerify});
    // A second directory with the same entries has the same tree, which is stored once.
    for (const std::string directory : {"d", "e"}) {
      REQUIRE_OK(writer->Add(DirectoryItem(directory)));
      for (int i = 0; i < kMany; ++i) REQUIRE_OK(writer->Add(LongItem(directory, i)));
      REQUIRE_OK(writer->Add(FileItem(directory + "/zz-last", "content")));
    }
    return Unwrap(writer->Finish());
  };

  const Part repaired = save_again();

  CHECK(repaired.statistics.blobs.blobs_repaired == 1);
  CHECK(repaired.statistics.blobs.tree_blobs == 2);  // and the top tree
  const Id made = Unwrap(
      Compose(*repository, {&repaired, 1}, ManifestOf("files", "app"), ComposeAs(*repository)));
  for (const Id& snapshot : {old, made}) {
    auto view = OpenView(*repository, snapshot);
    CHECK(Unwrap(ReadPath(*view, "d/zz-last")) == ToBytes("content"));
  }
  CHECK(save_again().statistics.blobs.tree_blobs == 0);
  Progress progress;
  PruneOptions options;
  options.max_unused_percent = 0;
  Unwrap(PruneRepository(*large.fixture.Open(), options, progress, {}));
  CHECK(CheckAll(*large.fixture.Open()).errors == std::vector<std::string>{});
}

TEST_CASE("large tree: the statistics of the next part count unchanged entries") {
  LargePart large;
  const Manifest manifest = ManifestOf("files", "app");
  const Id snapshot =
      Unwrap(Compose(*large.repository, {&large.part, 1}, manifest, ComposeAs(*large.repository)));
  auto view = OpenView(*large.repository, snapshot);
  auto writer = PartWriter::Begin(*large.repository, {.previous = view.get()});
  REQUIRE_OK(writer->Add(DirectoryItem("d")));
  for (int i = 0; i < kMany; ++i) REQUIRE_OK(writer->Add(LongItem("d", i)));
  REQUIRE_OK(writer->Add(FileItem("d/zz-last", "content")));

  const Part part = Unwrap(writer->Finish());

  REQUIRE(part.statistics.files_unmodified == 1);
  REQUIRE(part.statistics.directories_unmodified == 1);
  REQUIRE(Unwrap(ReadPath(*view, "d/zz-last")) == ToBytes("content"));
  const CheckReport report = CheckAll(*large.repository);
  REQUIRE(report.errors.empty());
  REQUIRE(report.hints.empty());
}

// Creates nested directories called `name`, with a file in the last one. The whole path is too long
// for system calls.
void MakeDeep(const std::string& top, const std::string& name, int levels) {
  Fd directory = Unwrap(OpenFile(top, O_RDONLY | O_DIRECTORY));
  for (int i = 0; i < levels; ++i) {
    REQUIRE(::mkdirat(directory.get(), name.c_str(), 0750) == 0);
    directory = Unwrap(OpenFileAt(directory.get(), name, O_RDONLY | O_DIRECTORY, 0, name));
  }
  const Fd file = Unwrap(OpenFileAt(directory.get(), "bottom", O_WRONLY | O_CREAT, 0644, "bottom"));
  Unwrap(WriteAll(file.get(), AsBytes("far down"), "bottom"));
}

int DepthOf(const std::string& top, const std::string& name) {
  Fd directory = Unwrap(OpenFile(top, O_RDONLY | O_DIRECTORY));
  for (int depth = 0;; ++depth) {
    Result<Fd> next = OpenFileAt(directory.get(), name, O_RDONLY | O_DIRECTORY, 0, name);
    if (!next) {
      struct stat status {};
      REQUIRE(::fstatat(directory.get(), "bottom", &status, 0) == 0);
      REQUIRE(status.st_size == 8);
      return depth;
    }
    directory = *std::move(next);
  }
}

Part SaveTree(Repository& repository, const std::string& root, SnapshotView* previous) {
  filetree::WalkOptions options;
  options.roots = {root};
  options.prefix = "data";
  options.previous = previous;
  auto walker = Unwrap(filetree::Walker::Create(std::move(options)));
  auto writer = PartWriter::Begin(repository, {.previous = previous});
  while (std::optional<Item> item = Unwrap(walker->Next())) {
    if (Result<void> added = writer->Add(*std::move(item)); !added) FAIL(added.error().message());
  }
  REQUIRE(walker->missing().empty());
  return Unwrap(writer->Finish());
}

struct DeepTree {
  DeepTree(const std::string& name, int levels) : repository(fixture.Open()) {
    Unwrap(MakeDirectories(root));
    MakeDeep(root, name, levels);
    part = SaveTree(*repository, root, nullptr);
    const Id snapshot = Unwrap(
        Compose(*repository, {&part, 1}, ManifestOf("files", "app"), ComposeAs(*repository)));
    view = OpenView(*repository, snapshot);
  }
  const TempDir place = Unwrap(TempDir::Create("deep-tree"));
  const std::string root = place.path() + "/root";
  RepositoryFixture fixture;
  std::unique_ptr<Repository> repository;
  Part part;
  std::unique_ptr<SnapshotView> view;
};

TEST_CASE("deep tree: ten thousand levels are saved, found unchanged and checked") {
  constexpr int kLevels = 10'000;
  DeepTree deep("d", kLevels);

  const Part again = SaveTree(*deep.repository, deep.root, deep.view.get());
  // Fewer directories than in the tree: other processes write to the temporary directory above it.
  REQUIRE(again.statistics.directories_unmodified >= kLevels);
  REQUIRE(again.statistics.files_unmodified == 1);
  Progress progress;
  REQUIRE(Unwrap(CheckRepository(*deep.repository, {}, progress, {})).errors.empty());
}

TEST_CASE("deep tree: levels below PATH_MAX are restored") {
  constexpr int kLevels = 300;
  const std::string name(40, 'n');
  DeepTree deep(name, kLevels);
  const std::string target = deep.place.path() + "/target";
  Unwrap(MakeDirectories(target));
  ExtractOptions options;
  options.strip = "data" + deep.root;
  Progress progress;

  const ExtractOutcome outcome = Unwrap(deep.view->Extract(target, options, progress, {}));

  REQUIRE(outcome.items == kLevels + 1);
  REQUIRE(DepthOf(target, name) == kLevels);
}

}  // namespace
}  // namespace holdfast::repository
