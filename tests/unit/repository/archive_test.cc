// tests/integration/cli/test_repository.py reads archives with tar programs.
#include "common/repository/archive/archive.h"

#include "common/base/format.h"
#include "common/repository/archive/archive_entry.h"
#include "common/repository/archive/frame_stream.h"
#include "common/repository/snapshot/tree_walk.h"
#include "common/stream/tar_reader.h"
#include "common/stream/tar_writer.h"
#include "tests/support/catch.h"
#include "tests/support/items.h"
#include "tests/support/repository_check.h"
#include "tests/support/repository_fixture.h"

namespace holdfast::repository {
namespace {
using testing::AttributesOf;
using testing::DirectoryItem;
using testing::FileItem;
using testing::Items;
using testing::LinkItem;
using testing::RandomBytes;
using testing::RepositoryFixture;
using testing::Unwrap;

Item OtherItem(std::string path, NodeType type) {
  Item item;
  item.path = std::move(path);
  item.attributes = AttributesOf(type, 0640);
  item.attributes.mtime.nanoseconds = 123'456'789;
  if (type == NodeType::kCharDevice) item.attributes.device = 0x103;
  return item;
}

Item NameOf(std::string path, std::uint64_t inode, const Bytes& content) {
  Item item = FileItem(std::move(path), content);
  item.attributes.inode = inode;
  item.attributes.device_id = 5;
  item.attributes.links = 2;
  return item;
}

std::vector<Item> Everything() {
  testing::SeededRandom random(7);
  const Bytes big = RandomBytes(random, 5'000'000);
  Item pages = FileItem("data/pages", Bytes(300'000, 1));
  pages.chunking = Chunking::Fixed(65536);
  Item noted = FileItem("data/noted", std::string_view("n"));
  noted.attributes.uid = 3'000'000'000;
  noted.attributes.user = "anna";
  noted.attributes.extended = {{"user.x", ToBytes("a\n\0b")}};
  return Items(DirectoryItem("data"), FileItem("data/\xff\n\"\\", std::string_view("odd")),
               FileItem("data/" + std::string(200, 'l'), std::string_view("long")),
               FileItem("data/big", big), OtherItem("data/char", NodeType::kCharDevice),
               DirectoryItem("data/deep"), FileItem("data/deep/x", std::string_view("x")),
               FileItem("data/empty", std::string_view()), OtherItem("data/fifo", NodeType::kFifo),
               LinkItem("data/link", "no \xfe such"), NameOf("data/name1", 77, big),
               NameOf("data/name2", 77, big), NameOf("data/name3", 77, ToBytes("another file")),
               std::move(noted), DirectoryItem("data/nothing"), std::move(pages),
               OtherItem("data/socket", NodeType::kSocket));
}

struct Archives : RepositoryFixture {
  using RepositoryFixture::RepositoryFixture;

  SnapshotInfo Save(std::vector<Item> items) {
    auto repository = Open();
    return Unwrap(LoadSnapshot(repository->files(),
                               Unwrap(testing::TryWriteSnapshot(*repository, std::move(items)))));
  }
  Bytes Export(const SnapshotInfo& snapshot) {
    auto repository = Open();
    Bytes out;
    Progress progress;
    Unwrap(ExportSnapshot(*repository, snapshot,
                          [&](ByteView piece) -> Result<void> {
                            out.insert(out.end(), piece.begin(), piece.end());
                            return {};
                          },
                          progress, {}));
    return out;
  }
  Result<ImportReport> Import(ByteView archive) {
    auto repository = Open();
    const auto present = Unwrap(ListSnapshots(*repository));
    std::size_t at = 0;
    Progress progress;
    return ImportSnapshot(
        *repository,
        [&](std::span<std::uint8_t> buffer) -> Result<std::size_t> {
          const std::size_t count =
              std::min({buffer.size(), archive.size() - at, std::size_t{100'000}});
          std::copy_n(archive.begin() + static_cast<std::ptrdiff_t>(at), count, buffer.begin());
          at += count;
          return count;
        },
        present, {}, progress, {});
  }
  void RequireSound(std::uint64_t snapshots) { testing::RequireSound(*Open(), snapshots); }
};

Bytes Unpacked(ByteView archive) {
  FrameReader frame([&](std::span<std::uint8_t> buffer) -> Result<std::size_t> {
    const std::size_t count = std::min(buffer.size(), archive.size());
    std::copy_n(archive.begin(), count, buffer.begin());
    archive = archive.subspan(count);
    return count;
  });
  Bytes out;
  Bytes piece(100'000);
  for (;;) {
    const std::size_t count = Unwrap(frame.Some(piece));
    if (count == 0) return out;
    out.insert(out.end(), piece.begin(), piece.begin() + static_cast<std::ptrdiff_t>(count));
  }
}

Bytes Packed(ByteView tar) {
  Bytes out;
  FrameWriter frame([&](ByteView piece) -> Result<void> {
    out.insert(out.end(), piece.begin(), piece.end());
    return {};
  });
  Unwrap(frame.Add(tar));
  Unwrap(frame.Finish());
  return out;
}

TEST_CASE("archive: the same tree is imported into the same repository and into another") {
  Archives archives;
  const SnapshotInfo snapshot = archives.Save(Everything());
  const Bytes archive = archives.Export(snapshot);

  const ImportReport here = Unwrap(archives.Import(archive));
  CHECK(here.was_present);
  CHECK(here.copy == snapshot.id);

  Unwrap(archives.storage.Remove({FileKind::kSnapshot, snapshot.id.Hex()}));
  const std::size_t packs = archives.CountFiles(FileKind::kPack);
  const ImportReport again = Unwrap(archives.Import(archive));
  CHECK_FALSE(again.was_present);
  CHECK(again.bytes_added == 0);
  CHECK(archives.CountFiles(FileKind::kPack) == packs);
  archives.RequireSound(1);

  Archives other(2);
  const ImportReport there = Unwrap(other.Import(archive));
  other.RequireSound(1);
  auto repository = other.Open();
  const SnapshotInfo copy = Unwrap(LoadSnapshot(repository->files(), there.copy));
  CHECK(copy.tree == snapshot.tree);
  CHECK(copy.original == snapshot.id);
  CHECK(copy.tags == snapshot.tags);
  CHECK(copy.time == snapshot.time);
  CHECK(Unwrap(other.Import(archive)).was_present);
}

TEST_CASE("archive: a file with more blobs than are read at once is complete") {
  Archives archives;
  constexpr std::size_t kPage = 4096;
  Bytes pages(kPage * 4'500);
  for (std::size_t i = 0; i < pages.size(); i += kPage) {
    pages[i] = static_cast<std::uint8_t>(i / kPage % 251);
    pages[i + 1] = static_cast<std::uint8_t>(i / kPage / 251);
  }
  Item item = FileItem("data/b", pages);
  item.chunking = Chunking::Fixed(kPage);
  const SnapshotInfo snapshot =
      archives.Save(Items(FileItem("data/a", std::string_view("a")), std::move(item),
                          FileItem("data/c", std::string_view("c")), LinkItem("data/d", "c")));

  Archives other(2);
  const ImportReport report = Unwrap(other.Import(archives.Export(snapshot)));

  CHECK(report.bytes >= pages.size() + 2);
  other.RequireSound(1);
  auto repository = other.Open();
  CHECK(Unwrap(LoadSnapshot(repository->files(), report.copy)).tree == snapshot.tree);
}

TEST_CASE("archive: a directory too large for memory is imported") {
  Archives archives;
  std::vector<Item> items = Items(DirectoryItem("data"));
  for (int i = 0; i < 8'500; ++i) {
    items.push_back(LinkItem(fmt::format("data/{:05}", i), std::string(2'000, 'x')));
    if (i % 2'000 == 7) {
      items.push_back(FileItem(fmt::format("data/{:05}.f", i), fmt::format("{}", i)));
    }
    if (i % 2'000 == 9) {
      items.push_back(DirectoryItem(fmt::format("data/{:05}.g", i)));
      items.push_back(FileItem(fmt::format("data/{:05}.g/x", i), std::string_view("x")));
    }
  }
  const SnapshotInfo snapshot = archives.Save(std::move(items));

  Archives other(2);
  const ImportReport report = Unwrap(other.Import(archives.Export(snapshot)));

  other.RequireSound(1);
  auto repository = other.Open();
  CHECK(Unwrap(LoadSnapshot(repository->files(), report.copy)).tree == snapshot.tree);
}

TEST_CASE("archive: further names of a file have no content") {
  Archives archives;
  Bytes archive = Unpacked(archives.Export(archives.Save(Everything())));
  ByteView rest = archive;
  TarReader tar([&](std::span<std::uint8_t> buffer) -> Result<std::size_t> {
    const std::size_t count = std::min(buffer.size(), rest.size());
    std::copy_n(rest.begin(), count, buffer.begin());
    rest = rest.subspan(count);
    return count;
  });
  std::map<std::string, TarEntry> entries;
  for (;;) {
    auto entry = Unwrap(tar.Next());
    if (!entry) break;
    Bytes content(entry->size);
    Unwrap(tar.Data(content));
    entries[entry->path] = *entry;
  }
  const std::string top = "tree/files/app/data/";
  CHECK(entries.at("meta.json").type == '0');
  CHECK(entries.at(top + "name2").type == '1');
  CHECK(entries.at(top + "name2").target == top + "name1");
  CHECK(entries.at(top + "name3").type == '0');
  CHECK(entries.at(top + "link").target == "no \xfe such");
  CHECK(entries.count(top + "\xff\n\"\\") == 1);
}

TEST_CASE("archive: deeply nested directories are imported") {
  Archives archives;
  std::vector<Item> items = Items(DirectoryItem("data"));
  std::string path = "data";
  for (int i = 0; i < 300; ++i) items.push_back(DirectoryItem(path += "/d"));
  items.push_back(FileItem(path + "/x", std::string_view("x")));
  items.push_back(FileItem("data/y", std::string_view("y")));
  const SnapshotInfo snapshot = archives.Save(std::move(items));

  Archives other(2);
  const ImportReport report = Unwrap(other.Import(archives.Export(snapshot)));

  auto repository = other.Open();
  CHECK(Unwrap(LoadSnapshot(repository->files(), report.copy)).tree == snapshot.tree);
}

// Requires that every prefix of the archive is refused, and every prefix of its tar file in a
// complete frame.
void CheckTruncatedIsRefused(Archives& archives, const Bytes& archive, const Bytes& tar) {
  for (std::size_t length = 0; length < archive.size(); length += 1 + archive.size() / 40) {
    INFO(length);
    CHECK_FALSE(archives.Import(ByteView(archive).first(length)));
  }
  for (std::size_t length = 0; length <= tar.size() - 10240; length += 512) {
    INFO(length);
    CHECK_FALSE(archives.Import(Packed(ByteView(tar).first(length))));
  }
}

TEST_CASE("archive: a truncated archive never becomes a snapshot") {
  Archives archives;
  const Bytes archive = archives.Export(archives.Save(Items(
      FileItem("data/a", std::string_view("alpha")), FileItem("data/b", std::string(3000, 'b')))));
  Archives other(2);
  const Bytes tar = Unpacked(archive);
  CheckTruncatedIsRefused(other, archive, tar);
  CHECK(other.CountFiles(FileKind::kSnapshot) == 0);
  REQUIRE_OK(other.Import(Packed(tar)));
}

TEST_CASE("archive: a truncated or altered archive is refused even if the snapshot is present") {
  Archives archives;
  const SnapshotInfo snapshot = archives.Save(Items(FileItem("data/a", std::string_view("alpha")),
                                                    FileItem("data/b", std::string(3000, 'b'))));
  const Bytes archive = archives.Export(snapshot);
  const Bytes tar = Unpacked(archive);
  CheckTruncatedIsRefused(archives, archive, tar);
  Bytes altered = tar;
  const std::size_t at = AsText(tar).find("alpha");
  REQUIRE(at != std::string_view::npos);
  altered[at] ^= 1;
  REQUIRE_FAILS(archives.Import(Packed(altered)), ErrorCode::kCorrupt, "it was altered");

  const ImportReport whole = Unwrap(archives.Import(archive));
  CHECK(whole.was_present);
  CHECK(whole.bytes_added == 0);
  CHECK(archives.CountFiles(FileKind::kSnapshot) == 1);
}

TEST_CASE("archive: a changed byte anywhere never makes another snapshot") {
  Archives archives;
  const SnapshotInfo snapshot = archives.Save(
      Items(FileItem("data/a", std::string_view("alpha")), LinkItem("data/l", "there")));
  const Bytes tar = Unpacked(archives.Export(snapshot));
  Archives other(2);
  for (std::size_t at = 0; at < tar.size() - 1024; at += 61) {
    Bytes changed = tar;
    changed[at] ^= 1;
    const Result<ImportReport> imported = other.Import(Packed(changed));
    // Some fields of tar repeat the tree's or are only for people. Nothing depends on them.
    if (!imported) {
      CHECK(other.CountFiles(FileKind::kSnapshot) == 0);
    } else {
      CHECK(imported->snapshot.tree == snapshot.tree);
      Unwrap(other.storage.Remove({FileKind::kSnapshot, imported->copy.Hex()}));
    }
  }
}

// One entry of a forged archive.
struct ForgedEntry {
  std::string path;
  NodeType type;
  std::string json;
  std::string content = {};
  std::optional<std::vector<BlobRun>> blobs = {};
  std::string link_to = {};
};

// An archive with a valid meta.json and whatever a test adds.
struct Forged {
  Forged() {
    Archives archives;
    const Bytes tar = Unpacked(
        archives.Export(archives.Save(Items(FileItem("data/a", std::string_view("alpha"))))));
    meta = tar;
    const std::string_view text = AsText(tar);
    const std::size_t size = std::stoul(std::string(text.substr(124, 11)), nullptr, 8);
    meta.resize(512 + (size + 511) / 512 * 512);
  }
  static std::string Node(const std::string& name, const std::string& type, std::size_t size = 0) {
    const std::string rest =
        type == "dir" ? R"("content":null,"subtree":null)" : R"("content":null)";
    return fmt::format(
        R"({{"name":"{}","type":"{}","mtime":"2020-01-01T00:00:00Z","atime":"2020-01-01T00:00:00Z",)"
        R"("ctime":"2020-01-01T00:00:00Z","uid":0,"gid":0{},{}}})",
        name, type, size == 0 ? "" : fmt::format(",\"size\":{}", size), rest);
  }
  // Without `blobs`, the content is a single blob.
  void Add(const ForgedEntry& entry) {
    Attributes attributes = AttributesOf(entry.type);
    attributes.size = entry.content.size();
    std::optional<std::vector<BlobRun>> blobs = entry.blobs;
    if (!blobs) {
      blobs.emplace();
      if (!entry.content.empty()) {
        blobs->push_back({static_cast<std::uint32_t>(entry.content.size()), 1});
      }
    }
    const std::string comment =
        EncodeArchivedNode({.json = entry.json, .blobs = blobs, .path = ""});
    Unwrap(writer.Begin(entry.path, attributes, {.link_to = entry.link_to, .comment = comment}));
    if (entry.link_to.empty()) Unwrap(writer.Data(AsBytes(entry.content)));
  }
  Result<ImportReport> Import() {
    Unwrap(writer.Finish());
    Bytes tar = meta;
    tar.insert(tar.end(), written.begin(), written.end());
    return other.Import(Packed(tar));
  }

  Archives other{2};
  Bytes meta;
  Bytes written;
  TarWriter writer{[this](ByteView piece) -> Result<void> {
    written.insert(written.end(), piece.begin(), piece.end());
    return {};
  }};
};

TEST_CASE("archive: a forged archive is an error, and nothing becomes visible") {
  const auto file = [](const std::string& path, const std::string& name,
                       const std::string& content = "", std::size_t size = 0) {
    return ForgedEntry{path, NodeType::kFile,
                       Forged::Node(name, "file", size == 0 ? content.size() : size), content};
  };
  const auto directory = [](const std::string& path, const std::string& name) {
    return ForgedEntry{path, NodeType::kDirectory, Forged::Node(name, "dir")};
  };
  const auto with_blobs = [&](BlobRun run) {
    ForgedEntry entry = file("tree/a", "a", "xy");
    entry.blobs = {run};
    return entry;
  };
  struct Forgery {
    const char* what;
    std::vector<ForgedEntry> entries;
    const char* error;
  };
  const std::vector<Forgery> forgeries = {
      {"a path with ..",
       {file("tree/../evil", "evil")},
       "in the archive does not come after its directory"},
      {"a name with ..", {directory("tree/..", "..")}, "is not a valid file name"},
      {"an absolute path", {file("/etc/evil", "evil")}, "is not below"},
      {"an empty path component", {file("tree//evil", "evil")}, "is not a path"},
      {"a name with a slash", {file("tree/a/b", "a/b")}, "is not a valid file name"},
      {"a duplicate name", {file("tree/a", "a", "1"), file("tree/a", "a", "2")}, "twice"},
      {"a duplicate directory",
       {directory("tree/d", "d"),
        {"tree/f", NodeType::kFifo, Forged::Node("f", "fifo")},
        directory("tree/d", "d")},
       "twice"},
      {"no parent directory",
       {file("tree/d/a", "a")},
       "in the archive does not come after its directory"},
      {"another name in the comment", {file("tree/a", "b")}, "has the metadata of an entry named"},
      {"another type in the comment",
       {{"tree/a", NodeType::kFifo, Forged::Node("a", "symlink")}},
       "another type"},
      {"another size in the comment", {file("tree/a", "a", "x", 77)}, "another size"},
      {"more blobs than content", {with_blobs({1, UINT64_MAX / 2})}, "are longer than the file"},
      {"fewer blobs than content", {with_blobs({1, 1})}, "are shorter than the file"},
      {"a hard link to nothing",
       {{"tree/a", NodeType::kFile, Forged::Node("a", "file"), "", {}, "tree/b"}},
       "does not come before it"},
      {"an empty archive", {}, "was altered"},
      {"another tree", {file("tree/a", "a", "1")}, "was altered"},
      {"a missing blob reference",
       {{"tree/a", NodeType::kFile, R"({"name":"a","type":"file"})"}},
       "an entry has no position for its content"},
  };
  for (const Forgery& forgery : forgeries) {
    DYNAMIC_SECTION(forgery.what) {
      Forged forged;
      for (const ForgedEntry& entry : forgery.entries) forged.Add(entry);
      REQUIRE_FAILS(forged.Import(), ErrorCode::kCorrupt, forgery.error);
      CHECK(forged.other.CountFiles(FileKind::kSnapshot) == 0);
    }
  }
}

TEST_CASE("archive: files of other programs are refused with a hint") {
  Archives archives;
  REQUIRE_FAILS(archives.Import(Packed(Bytes(10240))), ErrorCode::kUnsupported, "meta.json");
  REQUIRE_FAILS(archives.Import(AsBytes("PK\3\4 something else entirely")), ErrorCode::kCorrupt,
                "not a valid export: zstd: ");
  REQUIRE_FAILS(archives.Import({}), ErrorCode::kCorrupt, "it is empty");
  Bytes tar;
  TarWriter writer([&](ByteView piece) -> Result<void> {
    tar.insert(tar.end(), piece.begin(), piece.end());
    return {};
  });
  const std::string meta = R"({"format":"holdfast archive","format_version":2})";
  Attributes attributes = AttributesOf(NodeType::kFile);
  attributes.size = meta.size();
  Unwrap(writer.Begin("meta.json", attributes));
  Unwrap(writer.Data(AsBytes(meta)));
  Unwrap(writer.Finish());
  REQUIRE_FAILS(archives.Import(Packed(tar)), ErrorCode::kUnsupported, "version 2");
}

TEST_CASE("archive: blob sizes that take too much room are omitted") {
  ArchivedNode node{
      .json = "{}", .blobs = std::vector<BlobRun>{{4096, 1'000'000}, {7, 1}}, .path = "a\nb"};
  const ArchivedNode read = Unwrap(DecodeArchivedNode(EncodeArchivedNode(node)));
  CHECK(read.blobs == node.blobs);
  CHECK(read.path == "a\nb");
  for (std::uint32_t i = 1; i < 200'000; ++i) node.blobs->push_back({i, 1});
  CHECK_FALSE(Unwrap(DecodeArchivedNode(EncodeArchivedNode(node))).blobs);
  for (const char* bad : {"1,", ",1", "0", "1*0", "x", "1*", "99999999999", "-1"}) {
    CHECK_FALSE(DecodeArchivedNode(fmt::format("holdfast node 1\n{}\n\n{{}}", bad)));
  }
}

TEST_CASE("archive: a file without blob sizes is chunked again, with the same content") {
  Archives archives;
  const SnapshotInfo snapshot = archives.Save(Items(FileItem("data/a", std::string_view("alpha"))));
  std::string tar(AsText(Unpacked(archives.Export(snapshot))));
  // The "5" on its own line is the size of the only blob.
  const std::size_t at = tar.find("holdfast node 1\n5\n\n");
  REQUIRE(at != std::string::npos);
  tar[at + 16] = '-';
  Archives other(2);

  const ImportReport report = Unwrap(other.Import(Packed(AsBytes(tar))));

  other.RequireSound(1);
  auto repository = other.Open();
  const auto view = testing::OpenView(*repository, report.copy);
  CHECK(AsText(Unwrap(testing::ReadPath(*view, "data/a"))) == "alpha");
}

TEST_CASE("archive: an incomplete snapshot is not exported") {
  Archives archives;
  const SnapshotInfo snapshot = archives.Save(Everything());
  auto repository = archives.Open();
  std::optional<Id> pack;
  repository->index().ForEachBlob([&](BlobType type, const Id&, const BlobLocation& location) {
    if (type == BlobType::kData) pack = location.pack;
  });
  Unwrap(archives.storage.Remove({FileKind::kPack, pack->Hex()}));
  Progress progress;

  REQUIRE_FAILS(
      ExportSnapshot(*repository, snapshot, [](ByteView) { return Result<void>(); }, progress, {}),
      ErrorCode::kCorrupt, "");
}

}  // namespace
}  // namespace holdfast::repository
