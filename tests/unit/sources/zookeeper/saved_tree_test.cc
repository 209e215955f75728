#include "agent/sources/zookeeper/saved_tree.h"

#include <catch2/catch.hpp>

#include "tests/unit/sources/zookeeper/real_files.h"

namespace holdfast::zookeeper {
namespace {

using testing::BuildSnapshot;
using testing::Opening;
using testing::RealFile;
using testing::TestLog;
using testing::Unwrap;

constexpr std::size_t kMuch = 1U << 20;

TreeFiles RealTree() {
  TreeFiles files;
  files.snapshot = Opening(RealFile("39/snapshot.2a"));
  files.snapshot_zxid = 0x2a;
  files.logs = {Opening(RealFile("39/log.1")), Opening(RealFile("39/log.2b"))};
  return files;
}

std::string TextOf(const SavedTree& tree, const std::string& path) {
  return std::string(AsText(tree.nodes.at(path).data.value()));
}

}  // namespace

TEST_CASE("zookeeper saved tree: a node with all below it, as the logs left it") {
  const SavedTree tree = Unwrap(ReadSavedTree(RealTree(), "/a", INT64_MAX, kMuch, {}));
  REQUIRE(tree.zxid == 0x38);
  REQUIRE_FALSE(tree.has_later);
  REQUIRE(TextOf(tree, "/a") == "behind the snapshot");
  REQUIRE(TextOf(tree, "/a/later") == "l");
  REQUIRE(TextOf(tree, "/a/n1") == "m2");
  REQUIRE(TextOf(tree, "/a/n5") == "again");
  REQUIRE(tree.nodes.contains("/a/n5/below"));
  REQUIRE(tree.nodes.at("/a/none").data == std::nullopt);
  for (const char* gone : {"/a/n3", "/a/n7", "/a/e4", "/m", "/"})
    REQUIRE_FALSE(tree.nodes.contains(gone));
  // Its session had not ended.
  REQUIRE(KindOf(tree.nodes.at("/a/e1").owner) == NodeKind::kEphemeral);
  REQUIRE(tree.above.size() == 1);
  REQUIRE(tree.above.contains("/"));
}

TEST_CASE("zookeeper saved tree: as it was after an earlier transaction") {
  const SavedTree tree = Unwrap(ReadSavedTree(RealTree(), "/a", 0x2c, kMuch, {}));
  REQUIRE(tree.zxid == 0x2c);
  REQUIRE(tree.has_later);
  REQUIRE(TextOf(tree, "/a") == "behind the snapshot");
  REQUIRE_FALSE(tree.nodes.contains("/a/later"));
  REQUIRE(TextOf(tree, "/a/n1") == "data 1");
  REQUIRE(tree.nodes.contains("/a/n7"));
}

TEST_CASE("zookeeper saved tree: ACLs and kinds of nodes") {
  const SavedTree all = Unwrap(ReadSavedTree(RealTree(), "/", INT64_MAX, kMuch, {}));
  REQUIRE(all.nodes.at("/secret").acl ==
          std::vector<AclEntry>{{31, "digest", "anna:Wap/fLaD11BLJBT+7fkDcVxaT7c="},
                                {1, "world", "anyone"}});
  REQUIRE(all.nodes.at("/m").acl ==
          std::vector<AclEntry>{{31, "world", "anyone"}, {1, "ip", "127.0.0.1"}});
  REQUIRE(KindOf(all.nodes.at("/c").owner) == NodeKind::kContainer);
  REQUIRE(KindOf(all.nodes.at("/t").owner) == NodeKind::kTtl);
  REQUIRE(TtlOf(all.nodes.at("/t").owner) == 1'000'000);
  REQUIRE(all.nodes.size() == 43);  // the root is one node here
  REQUIRE(TextOf(all, "/") == "root");
  const SavedTree below = Unwrap(ReadSavedTree(RealTree(), "/a/n5/below", INT64_MAX, kMuch, {}));
  REQUIRE(below.nodes.size() == 1);
  REQUIRE(below.above.size() == 3);
}

TEST_CASE("zookeeper saved tree: what is alike in name is not below") {
  TreeFiles files;
  files.snapshot = Opening(
      BuildSnapshot({.nodes = {{.path = ""}, {.path = "/a"}, {.path = "/a/b"}, {.path = "/ab"}}}));
  TestLog log;
  log.Add(4, 1, TestLog::Create("/a-b", ""));
  files.logs = {Opening(log.bytes())};
  const SavedTree tree = Unwrap(ReadSavedTree(files, "/a", INT64_MAX, kMuch, {}));
  REQUIRE(tree.nodes.size() == 2);
  REQUIRE_FALSE(tree.above.contains("/ab"));
}

TEST_CASE("zookeeper saved tree: what is not there, and what is too much") {
  REQUIRE_FAILS(ReadSavedTree(RealTree(), "/a/n3", INT64_MAX, kMuch, {}), ErrorCode::kNotFound,
                "/a/n3");
  REQUIRE_FAILS(ReadSavedTree(RealTree(), "/a", INT64_MAX, 2000, {}), ErrorCode::kUnsupported,
                "one by one");
}

}  // namespace holdfast::zookeeper
