#include "common/repository/snapshot/part_writer.h"

#include "common/repository/format/tree_codec.h"
#include "tests/support/catch.h"
#include "tests/support/items.h"
#include "tests/support/repository_fixture.h"

namespace holdfast::repository {
namespace {
using namespace holdfast::testing;

Directory DirectoryOf(Repository& repository, const Id& tree) {
  return Unwrap(Directory::Parse(tree, Unwrap(repository.blobs().Load(BlobType::kTree, tree))));
}

TreeNode NodeOf(Repository& repository, const Id& tree, std::string_view name) {
  Directory directory = DirectoryOf(repository, tree);
  auto at = directory.Find(name);
  REQUIRE(at.has_value());
  return Unwrap(directory.Node(*at));
}

TEST_CASE("part writer: items become trees, with siblings in any order") {
  RepositoryFixture fixture;
  auto repository = fixture.Open();

  Part part = WritePart(
      *repository, Items(FileItem("b", "bee"), DirectoryItem("a"), FileItem("a/z", "zed"),
                         FileItem("a/y", ""), LinkItem("a/l", "../b"), FileItem("\xff", "ff")));

  Directory top = DirectoryOf(*repository, part.tree);
  REQUIRE(top.size() == 3);
  CHECK(top.name(0) == "a");
  CHECK(top.name(2) == "\xff");
  Directory a = DirectoryOf(*repository, *NodeOf(*repository, part.tree, "a").subtree);
  CHECK(a.size() == 3);
  TreeNode z = Unwrap(a.Node(2));
  CHECK(z.attributes.size == 3);
  CHECK(Unwrap(repository->blobs().Load(BlobType::kData, z.content.at(0))) == ToBytes("zed"));
  CHECK(Unwrap(a.Node(1)).content.empty());
  CHECK(Unwrap(a.Node(0)).attributes.link_target == "../b");
  CHECK(part.statistics.items == 6);
  CHECK(part.statistics.files_new == 4);
  CHECK(part.statistics.directories_new == 1);
  CHECK(part.statistics.bytes_processed == 8);
  CHECK(part.statistics.bytes_read == 8);
  CHECK(part.statistics.blobs.data_blobs == 3);
  CHECK(part.statistics.blobs.tree_blobs == 2);
  CHECK(Unwrap(ListSnapshots(*repository)).empty());
}

TEST_CASE("part writer: no items make an empty tree") {
  RepositoryFixture fixture;
  auto repository = fixture.Open();
  Part part = WritePart(*repository, {});
  CHECK(Unwrap(repository->blobs().Load(BlobType::kTree, part.tree)) ==
        ToBytes("{\"nodes\":[]}\n"));
}

TEST_CASE("part writer: missing directories are created, and always the same") {
  RepositoryFixture fixture;
  auto repository = fixture.Open();
  Part first = WritePart(*repository, Items(FileItem("data/deep/x", "1"), FileItem("data/y", "2")));
  fixture.clock.Advance(std::chrono::hours(1));
  Part second =
      WritePart(*repository, Items(FileItem("data/y", "2"), FileItem("data/deep/x", "1")));

  CHECK(first.tree == second.tree);
  TreeNode data = NodeOf(*repository, first.tree, "data");
  CHECK(data.attributes.mode == 0755);
  CHECK(data.attributes.uid == 0);
  CHECK(data.attributes.mtime == UnixTime{1'600'000'000, 0});  // that of its newest entry
}

TEST_CASE("part writer: items that are late or repeated are an error of the source") {
  RepositoryFixture fixture;
  auto repository = fixture.Open();
  const auto fails = [&](std::vector<Item> items, const std::string& path) {
    REQUIRE_FAILS(
        TryWritePart(*repository, std::move(items)), ErrorCode::kInternal,
        Quote(path) +
            " is repeated or out of order: items must arrive depth-first, each path once, "
            "a directory before its content");
  };
  fails(Items(FileItem("a/x", "1"), FileItem("b", "2"), FileItem("a/y", "3")), "a/y");
  fails(Items(FileItem("a/b/x", "1"), FileItem("a/c/x", "2"), FileItem("a/b/y", "3")), "a/b/y");
  fails(Items(FileItem("a", "1"), FileItem("a", "2")), "a");
  fails(Items(FileItem("b", "1"), FileItem("a", "2"), FileItem("b", "3")), "b");
  fails(Items(DirectoryItem("d"), DirectoryItem("d")), "d");
  fails(Items(FileItem("d/x", "1"), DirectoryItem("d")), "d");
  fails(Items(FileItem("f", "1"), FileItem("f/x", "1")), "f/x");
}

TEST_CASE("part writer: invalid paths and contents are refused") {
  RepositoryFixture fixture;
  auto repository = fixture.Open();
  for (const char* path : {"", "/", "/a", "a/", "a//b", ".", "..", "a/./b", "a/../b"}) {
    INFO(path);
    REQUIRE_FAILS(TryWritePart(*repository, Items(FileItem(path, "x"))),
                  ErrorCode::kInvalidArgument, Quote(path));
  }
  Item link = LinkItem("l", "x");
  link.content = std::make_unique<BytesReader>(Bytes());
  REQUIRE_FAILS(TryWritePart(*repository, Items(std::move(link))), ErrorCode::kInvalidArgument,
                "l");
  for (std::uint32_t block : {0U, 100U, 4095U, 16U << 20}) {
    Item item = FileItem("f", "x");
    item.chunking = Chunking::Fixed(block);
    REQUIRE_FAILS(TryWritePart(*repository, Items(std::move(item))), ErrorCode::kInvalidArgument,
                  "4096");
  }
}

TEST_CASE("part writer: content is chunked, stored once, and read back completely") {
  RepositoryFixture fixture;
  auto repository = fixture.Open();
  Bytes noise = RandomBytes(fixture.random, 20'000'000);
  Item item = FileItem("noise", noise);
  Item again = FileItem("noise2", Bytes(noise.begin() + 5'000'000, noise.end()));
  Item fixed = FileItem("pages", Bytes(100'000, 7));
  fixed.chunking = Chunking::Fixed(4096);

  Part part = WritePart(*repository, Items(std::move(item), std::move(again), std::move(fixed)));

  TreeNode pages = NodeOf(*repository, part.tree, "pages");
  CHECK(pages.content.size() == 25);
  CHECK(pages.content[0] == pages.content[23]);
  TreeNode first = NodeOf(*repository, part.tree, "noise");
  TreeNode second = NodeOf(*repository, part.tree, "noise2");
  CHECK(first.content.size() > 5);
  CHECK(first.content.back() == second.content.back());
  Bytes back;
  for (const Id& id : first.content) {
    Bytes blob = Unwrap(repository->blobs().Load(BlobType::kData, id));
    back.insert(back.end(), blob.begin(), blob.end());
  }
  CHECK(back == noise);
}

TEST_CASE("part writer: the reader's final attributes count, but the size is that of the blobs") {
  RepositoryFixture fixture;
  auto repository = fixture.Open();
  auto reader = std::make_unique<BytesReader>(ToBytes("12345"));
  reader->outcome.changed = true;
  reader->outcome.attributes = AttributesOf(NodeType::kFile, 0600);
  reader->outcome.attributes->size = 99;
  Item item = FileItem("d/f", "");
  item.content = std::move(reader);

  Part part = WritePart(*repository, Items(std::move(item)));

  TreeNode d = NodeOf(*repository, part.tree, "d");
  TreeNode f = NodeOf(*repository, *d.subtree, "f");
  CHECK(f.attributes.mode == 0600);
  CHECK(f.attributes.size == 5);
  CHECK(part.changed == std::vector<std::string>{"d/f"});
}

TEST_CASE("part writer: unreadable content fails the part, or is left out if it is optional") {
  RepositoryFixture fixture;
  auto repository = fixture.Open();
  const auto broken = [](bool required) {
    auto reader = std::make_unique<BytesReader>(Bytes(1000));
    reader->error = Error(ErrorCode::kUnavailable, "input/output error");
    Item item = FileItem("d/bad", "");
    item.content = std::move(reader);
    item.required = required;
    return item;
  };

  REQUIRE_FAILS(TryWritePart(*repository, Items(broken(true))), ErrorCode::kUnavailable,
                "read \"d/bad\": input/output error");
  Part part = WritePart(*repository, Items(broken(false), FileItem("d/good", "x")));

  REQUIRE(part.left_out.size() == 1);
  CHECK(part.left_out[0].path == "d/bad");
  Directory d = DirectoryOf(*repository, *NodeOf(*repository, part.tree, "d").subtree);
  REQUIRE(d.size() == 1);
  CHECK(d.name(0) == "good");
}

// A snapshot to reuse from, and a writer of parts that reuse it.
struct Previous {
  RepositoryFixture fixture;
  std::unique_ptr<Repository> repository = fixture.Open();
  Id id = Unwrap(
      TryWriteSnapshot(*repository, Items(DirectoryItem("d"), FileItem("d/f", "content"),
                                          FileItem("d/sub/g", "gee"), FileItem("top", "tip"))));
  std::unique_ptr<SnapshotView> view = OpenView(*repository, id);

  static Item Reused(const std::string& path, std::string_view text, const std::string& from) {
    Item item = FileItem(path, text);
    item.content = Reuse{from, [text] -> Result<std::unique_ptr<ByteReader>> {
                           return std::make_unique<BytesReader>(ToBytes(text));
                         }};
    return item;
  }
  static Item ReusedDirectory(const std::string& path, const std::string& from) {
    Item item = DirectoryItem(path);
    item.content = Reuse{from, {}};
    return item;
  }
  Part Write(std::vector<Item> items) {
    PartOptions options;
    options.previous = view.get();
    return WritePart(*repository, std::move(items), options);
  }
};

TEST_CASE("part writer: reused files and directories are not read again") {
  Previous previous;
  Part part = previous.Write(
      Items(Previous::Reused("moved", "content", "d/f"), Previous::ReusedDirectory("d", "d")));

  TreeNode moved = NodeOf(*previous.repository, part.tree, "moved");
  CHECK(Unwrap(previous.repository->blobs().Load(BlobType::kData, moved.content.at(0))) ==
        ToBytes("content"));
  CHECK(NodeOf(*previous.repository, *NodeOf(*previous.repository, part.tree, "d").subtree, "f")
            .content == moved.content);
  CHECK(part.statistics.bytes_read == 0);
  CHECK(part.statistics.bytes_processed == 7 + 7 + 3);
  CHECK(part.statistics.files_new == 1);
  CHECK(part.statistics.files_unmodified == 2);
  CHECK(part.statistics.directories_unmodified == 2);
  CHECK(part.statistics.items == 5);
  CHECK(part.statistics.blobs.data_blobs == 0);
}

TEST_CASE("part writer: content that cannot be reused is read") {
  Previous previous;
  Part part = previous.Write(Items(Previous::Reused("a", "new", "not/there"),
                                   Previous::Reused("b", "content!", "d/f"),  // other size
                                   Previous::Reused("c", "of a directory", "d")));
  CHECK(part.statistics.bytes_read == 3 + 8 + 14);

  PartOptions options;
  options.previous = previous.view.get();
  REQUIRE_FAILS(
      TryWritePart(*previous.repository, Items(Previous::ReusedDirectory("x", "top")), options),
      ErrorCode::kCorrupt, "reuse \"x\"");
  Item optional = Previous::ReusedDirectory("x", "nothing");
  optional.required = false;
  Part without = previous.Write(Items(std::move(optional), FileItem("y", "why")));
  CHECK(without.left_out.size() == 1);
  // No previous snapshot.
  REQUIRE_FAILS(TryWritePart(*previous.repository, Items(Previous::ReusedDirectory("x", "d"))),
                ErrorCode::kCorrupt, "reuse");
  CHECK(WritePart(*previous.repository, Items(Previous::Reused("a", "content", "d/f")))
            .statistics.bytes_read == 7);
}

TEST_CASE("part writer: reuse requires every blob to exist") {
  RepositoryFixture fixture;
  {
    auto repository = fixture.Open();
    Unwrap(TryWriteSnapshot(*repository, Items(FileItem("d/f", "lost"))));
  }
  // The data pack and its index entry are gone. The trees are in the index of a later backup.
  auto repository = fixture.Open();
  std::vector<PackContents> trees;
  repository->index().ForEachBlob([&](BlobType type, const Id& each, const BlobLocation& at) {
    if (type == BlobType::kTree) {
      trees.push_back(
          {at.pack, {{each, type, at.offset, at.length, at.plain_length, at.compressed}}});
    }
  });
  fixture.ReplaceIndex(trees);
  auto damaged = fixture.Open();
  auto previous = Unwrap(OpenSnapshot(*damaged, [&] {
    SnapshotInfo info = Unwrap(ListSnapshots(*damaged)).at(0);
    info.name = "not there, so that the manifest is not looked for";
    return info;
  }()));
  PartOptions options;
  options.previous = previous.get();
  REQUIRE_FAILS(
      TryWritePart(*damaged, Items(Previous::ReusedDirectory("d", "files/app/d")), options),
      ErrorCode::kCorrupt, "no longer has all of");
  Part part = WritePart(*damaged, Items(Previous::Reused("f", "lost", "files/app/d/f")), options);
  CHECK(part.statistics.bytes_read == 4);
}

TEST_CASE("part writer: statistics distinguish new, changed and unmodified entries") {
  Previous previous;
  Part part = previous.Write(Items(DirectoryItem("d"), FileItem("d/f", "changed"),
                                   FileItem("d/sub/g", "gee"), FileItem("d/new", "n"),
                                   FileItem("top", "tip")));
  CHECK(part.statistics.files_new == 1);
  CHECK(part.statistics.files_changed == 1);
  CHECK(part.statistics.files_unmodified == 2);
  CHECK(part.statistics.directories_unmodified == 1);  // d/sub
  CHECK(part.statistics.directories_changed == 1);
}

TEST_CASE("part writer: progress is counted while it writes") {
  RepositoryFixture fixture;
  auto repository = fixture.Open();
  Progress progress;
  PartOptions options;
  options.progress = &progress;
  WritePart(*repository, Items(FileItem("a", "12"), FileItem("b", "345")), options);
  CHECK(progress.items == 2);
  CHECK(progress.bytes == 5);
}

TEST_CASE("part writer: reused content counts as unchanged, read content as moved") {
  Previous previous;
  Progress progress;
  PartOptions options;
  options.previous = previous.view.get();
  options.progress = &progress;
  WritePart(*previous.repository,
            Items(Previous::Reused("moved", "content", "d/f"), Previous::ReusedDirectory("d", "d"),
                  FileItem("new", "12345")),
            options);
  CHECK(progress.bytes == 7 + 7 + 3 + 5);
  CHECK(progress.bytes_unchanged == 7 + 7 + 3);
}

TEST_CASE("part writer: a path of a thousand levels uses no stack") {
  RepositoryFixture fixture;
  auto repository = fixture.Open();
  std::string path;
  for (int i = 0; i < 1000; ++i) path += "d/";
  Part part = WritePart(*repository, Items(FileItem(path + "f", "deep")));
  CHECK(part.statistics.blobs.tree_blobs == 1001);
}

TEST_CASE("part writer: Holdfast's own file is at the top, and is not an item") {
  RepositoryFixture fixture;
  auto repository = fixture.Open();
  auto writer = PartWriter::Begin(*repository, {});
  REQUIRE_OK(writer->Add(FileItem("a/f", "content")));
  CHECK(Unwrap(writer->part())->statistics.blobs.data_blobs == 1);
  REQUIRE_OK(writer->AddOwnFile("part.json", ToBytes("{}"), fixture.clock.Now()));
  Part part = Unwrap(writer->Finish());

  TreeNode node = NodeOf(*repository, part.tree, "part.json");
  CHECK(node.attributes.mode == 0600);
  CHECK(Unwrap(repository->blobs().Load(BlobType::kData, node.content.at(0))) == ToBytes("{}"));
  CHECK(part.statistics.items == 1);
  CHECK(part.statistics.bytes_processed == 7);
  CHECK(part.statistics.files_new == 1);

  auto second = PartWriter::Begin(*repository, {});
  REQUIRE_OK(second->Add(FileItem("part.json", "the source's")));
  REQUIRE_FAILS(second->AddOwnFile("part.json", ToBytes("{}"), fixture.clock.Now()),
                ErrorCode::kInternal, "part.json");
}

}  // namespace
}  // namespace holdfast::repository
