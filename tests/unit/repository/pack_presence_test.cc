#include "common/repository/maintain/pack_presence.h"

#include <algorithm>
#include <utility>

#include "common/repository/format/tree_codec.h"
#include "common/repository/store/blob_writer.h"
#include "tests/support/catch.h"
#include "tests/support/items.h"
#include "tests/support/repository_fixture.h"

namespace holdfast::repository {
namespace {
using namespace holdfast::testing;

Result<void> Check(Repository& repository, const Id& tree, std::stop_token stop = {}) {
  const NamedTree named{"part of node \"n1\"", tree};
  return CheckPacksOf(repository, {&named, 1}, std::move(stop));
}

TEST_CASE("pack presence: present packs pass, and no data is read") {
  RepositoryFixture fixture;
  auto repository = fixture.Open();
  Part part = WritePart(*repository, Items(FileItem("data/f", "content"), FileItem("g", "x")));
  REQUIRE_OK(Check(*repository, part.tree));
  // A repository opened later gives the same answer.
  REQUIRE_OK(Check(*fixture.Open(), part.tree));
}

TEST_CASE("pack presence: a missing or short pack is named, with the part that needs it") {
  for (bool is_gone : {true, false}) {
    RepositoryFixture fixture;
    Part part = WritePart(*fixture.Open(), Items(FileItem("data/f", "content")));
    for (const FileName& name : FileNames(fixture.storage, FileKind::kPack)) {
      Bytes whole = Unwrap(fixture.storage.Get(name, {}));
      if (is_gone) {
        REQUIRE_OK(fixture.storage.Remove(name));
      } else {
        REQUIRE_OK(
            fixture.storage.Put(name, ByteView(whole).first(whole.size() - 1), PutMode::kReplace));
      }
      auto repository = fixture.Open();
      Result<void> outcome = Check(*repository, part.tree);
      REQUIRE_FAILS(outcome, ErrorCode::kCorrupt, "part of node \"n1\": pack " + name.name);
      REQUIRE_FAILS(outcome, ErrorCode::kCorrupt,
                    is_gone ? "is in the index but not in the storage" : "the index implies");
      REQUIRE_OK(fixture.storage.Put(name, whole, PutMode::kReplace));
    }
    REQUIRE_OK(Check(*fixture.Open(), part.tree));
  }
}

// A writer without the index stores everything a second time, in other packs.
TEST_CASE("pack presence: of two copies in different packs one is enough") {
  RepositoryFixture fixture;
  const auto items = [] { return Items(FileItem("data/f", "content"), FileItem("g", "x")); };
  const Id tree = WritePart(*fixture.Open(), items()).tree;
  const std::vector<FileName> first = FileNames(fixture.storage, FileKind::kPack);
  std::vector<std::pair<FileName, Bytes>> indexes;
  for (const FileName& name : FileNames(fixture.storage, FileKind::kIndex)) {
    indexes.emplace_back(name, Unwrap(fixture.storage.Get(name, {})));
    Unwrap(fixture.storage.Remove(name));
  }
  REQUIRE(WritePart(*fixture.Open(), items()).tree == tree);
  for (const auto& [name, content] : indexes) {
    Unwrap(fixture.storage.Put(name, content, PutMode::kReplace));
  }
  const std::vector<FileName> all = FileNames(fixture.storage, FileKind::kPack);
  REQUIRE(all.size() == 2 * first.size());

  // Whichever the index finds first.
  for (const bool is_first : {true, false}) {
    std::vector<std::pair<FileName, Bytes>> taken;
    for (const FileName& name : all) {
      const bool was_first = std::ranges::find(first, name) != first.end();
      if (was_first != is_first) continue;
      taken.emplace_back(name, Unwrap(fixture.storage.Get(name, {})));
      Unwrap(fixture.storage.Remove(name));
      REQUIRE_OK(Check(*fixture.Open(), tree));
    }
    // Without the other one it is not enough.
    for (const FileName& name : all) {
      const bool was_first = std::ranges::find(first, name) != first.end();
      if (was_first == is_first) continue;
      const Bytes content = Unwrap(fixture.storage.Get(name, {}));
      Unwrap(fixture.storage.Remove(name));
      REQUIRE_FAILS(Check(*fixture.Open(), tree), ErrorCode::kCorrupt, "part of node \"n1\": ");
      Unwrap(fixture.storage.Put(name, content, PutMode::kReplace));
    }
    for (const auto& [name, content] : taken) {
      Unwrap(fixture.storage.Put(name, content, PutMode::kReplace));
    }
  }
}

TEST_CASE("pack presence: an unindexed blob is named with its path") {
  RepositoryFixture fixture;
  auto repository = fixture.Open();
  TreeBuilder builder;
  TreeNode node;
  node.name = "f";
  node.attributes.mode = 0600;
  node.attributes.size = 1;
  node.content = {Id{{7}}};
  REQUIRE(builder.Add(node));
  auto writer = BlobWriter::Begin(*repository, nullptr);
  Id tree = Unwrap(writer->Save(BlobType::kTree, Unwrap(builder.Finish())));
  REQUIRE_OK(writer->Finish());

  REQUIRE_FAILS(Check(*repository, tree), ErrorCode::kCorrupt, "of \"f\" is not in the index");
  REQUIRE_FAILS(Check(*repository, Id{{9}}), ErrorCode::kCorrupt, "of its top is not in the index");
}

TEST_CASE("pack presence: very many packs are checked with a list") {
  RepositoryFixture fixture;
  auto repository = fixture.Open();
  std::vector<Id> trees;
  for (int i = 0; i < 210; ++i) {
    auto writer = BlobWriter::Begin(*repository, nullptr);
    TreeBuilder builder;
    TreeNode node;
    node.name = "f" + std::to_string(i);
    node.attributes.mode = 0600;
    REQUIRE(builder.Add(node));
    trees.push_back(Unwrap(writer->Save(BlobType::kTree, Unwrap(builder.Finish()))));
    REQUIRE_OK(writer->Finish());
  }
  std::vector<NamedTree> named;
  for (const Id& tree : trees) named.push_back({"tree " + tree.Hex(), tree});
  REQUIRE_OK(CheckPacksOf(*repository, named, {}));

  std::vector<FileName> packs = FileNames(fixture.storage, FileKind::kPack);
  REQUIRE(packs.size() == 210);
  REQUIRE_OK(fixture.storage.Remove(packs.at(100)));
  REQUIRE_FAILS(CheckPacksOf(*repository, named, {}), ErrorCode::kCorrupt, packs[100].name);
}

TEST_CASE("pack presence: a stop ends the check") {
  RepositoryFixture fixture;
  auto repository = fixture.Open();
  Part part = WritePart(*repository, Items(FileItem("f", "content")));
  std::stop_source stop;
  stop.request_stop();
  REQUIRE_FAILS(Check(*repository, part.tree, stop.get_token()), ErrorCode::kCancelled, "stopped");
}

}  // namespace
}  // namespace holdfast::repository
