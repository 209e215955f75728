#include "agent/sources/zookeeper/saved_tree.h"

#include <map>
#include <string>
#include <vector>

#include "tests/support/catch.h"
#include "tests/unit/sources/zookeeper/real_files.h"

namespace holdfast::zookeeper {
namespace {

using testing::BuildSnapshot;
using testing::Opening;
using testing::RealFile;
using testing::TestLog;
using testing::Unwrap;

TreeFiles RealTree() {
  TreeFiles files;
  files.snapshot = Opening(RealFile("39/snapshot.2a"));
  files.snapshot_zxid = 0x2a;
  files.logs = {Opening(RealFile("39/log.1")), Opening(RealFile("39/log.2b"))};
  return files;
}

// A snapshot of these paths, and what came after it.
TreeFiles TreeOf(const std::vector<std::string>& paths, const TestLog& log) {
  testing::TestSnapshot snapshot{.nodes = {}};
  for (const std::string& path : paths) snapshot.nodes.push_back({.path = path});
  TreeFiles files;
  files.snapshot = Opening(BuildSnapshot(snapshot));
  files.logs = {Opening(log.bytes())};
  return files;
}

using Nodes = std::map<std::string, SavedNode>;

SavedTree Read(const TreeFiles& files, const std::string& path, std::int64_t until = INT64_MAX) {
  return Unwrap(SavedTree::Read(files, path, until, "", {}));
}

std::vector<std::string> Order(SavedTree& tree) {
  std::vector<std::string> paths;
  REQUIRE_OK(tree.ForEach([&](const std::string& path, const SavedNode&) -> Result<void> {
    paths.push_back(path);
    return {};
  }));
  return paths;
}

Nodes AllOf(SavedTree& tree) {
  Nodes nodes;
  REQUIRE_OK(tree.ForEach([&](const std::string& path, const SavedNode& node) -> Result<void> {
    nodes[path] = node;
    return {};
  }));
  REQUIRE(nodes.size() == tree.size());
  return nodes;
}

std::string TextOf(const Nodes& nodes, const std::string& path) {
  return std::string(AsText(nodes.at(path).data.value()));
}

}  // namespace

TEST_CASE("zookeeper saved tree: a node is read with everything below it, as of the last log") {
  SavedTree tree = Read(RealTree(), "/a");
  REQUIRE(tree.zxid() == 0x38);
  REQUIRE_FALSE(tree.has_later());
  const Nodes nodes = AllOf(tree);
  REQUIRE(TextOf(nodes, "/a") == "behind the snapshot");
  REQUIRE(TextOf(nodes, "/a/later") == "l");
  REQUIRE(TextOf(nodes, "/a/n1") == "m2");
  REQUIRE(TextOf(nodes, "/a/n5") == "again");
  REQUIRE(nodes.contains("/a/n5/below"));
  REQUIRE(nodes.at("/a/none").data == std::nullopt);
  for (const char* gone : {"/a/n3", "/a/n7", "/a/e4", "/m", "/"})
    REQUIRE_FALSE(nodes.contains(gone));
  // Its session had not ended.
  REQUIRE(KindOf(nodes.at("/a/e1").owner) == NodeKind::kEphemeral);
  REQUIRE(tree.above().size() == 1);
  REQUIRE(tree.above().contains("/"));
}

TEST_CASE("zookeeper saved tree: the state after an earlier transaction") {
  SavedTree tree = Read(RealTree(), "/a", 0x2c);
  REQUIRE(tree.zxid() == 0x2c);
  REQUIRE(tree.has_later());
  const Nodes nodes = AllOf(tree);
  REQUIRE(TextOf(nodes, "/a") == "behind the snapshot");
  REQUIRE_FALSE(nodes.contains("/a/later"));
  REQUIRE(TextOf(nodes, "/a/n1") == "data 1");
  REQUIRE(nodes.contains("/a/n7"));
}

TEST_CASE("zookeeper saved tree: ACLs and kinds of nodes") {
  SavedTree all = Read(RealTree(), "/");
  const Nodes nodes = AllOf(all);
  REQUIRE(nodes.at("/secret").acl ==
          std::vector<AclEntry>{{31, "digest", "anna:Wap/fLaD11BLJBT+7fkDcVxaT7c="},
                                {1, "world", "anyone"}});
  REQUIRE(nodes.at("/m").acl ==
          std::vector<AclEntry>{{31, "world", "anyone"}, {1, "ip", "127.0.0.1"}});
  REQUIRE(KindOf(nodes.at("/c").owner) == NodeKind::kContainer);
  REQUIRE(KindOf(nodes.at("/t").owner) == NodeKind::kTtl);
  REQUIRE(TtlOf(nodes.at("/t").owner) == 1'000'000);
  REQUIRE(nodes.size() == 43);  // the root is one node here
  REQUIRE(TextOf(nodes, "/") == "root");
  SavedTree below = Read(RealTree(), "/a/n5/below");
  REQUIRE(below.size() == 1);
  REQUIRE(below.above().size() == 3);
}

TEST_CASE("zookeeper saved tree: nodes with a similar name are not below") {
  TestLog log;
  log.Add(4, 1, TestLog::Create("/a-b", ""));
  SavedTree tree = Read(TreeOf({"", "/a", "/a/b", "/ab"}, log), "/a");
  REQUIRE(Order(tree) == std::vector<std::string>{"/a", "/a/b"});
  REQUIRE_FALSE(tree.above().contains("/ab"));
}

TEST_CASE("zookeeper saved tree: nodes below a node come before its siblings") {
  TestLog log;
  log.Add(4, 1, TestLog::Create("/a-b", ""));
  log.Add(5, 1, TestLog::Create("/a/b/c", ""));
  log.Add(6, 1, TestLog::Create("/a!", ""));
  SavedTree tree = Read(TreeOf({"", "/a", "/a/b", "/z"}, log), "/");
  REQUIRE(Order(tree) ==
          std::vector<std::string>{"/", "/a", "/a/b", "/a/b/c", "/a!", "/a-b", "/z"});
}

TEST_CASE("zookeeper saved tree: an ACL missing from the snapshot permits no one") {
  TreeFiles files;
  files.snapshot = Opening(BuildSnapshot({.nodes = {{.path = ""}, {.path = "/a", .acl = 7}}}));
  SavedTree tree = Read(files, "/a");
  REQUIRE(AllOf(tree).at("/a").acl.empty());
}

TEST_CASE("zookeeper saved tree: a missing node and a visitor's error are errors") {
  REQUIRE_FAILS(SavedTree::Read(RealTree(), "/a/n3", INT64_MAX, "", {}), ErrorCode::kNotFound,
                "/a/n3");
  SavedTree tree = Read(RealTree(), "/a");
  REQUIRE_FAILS(tree.ForEach([](const std::string&, const SavedNode&) -> Result<void> {
    return Fail(ErrorCode::kCancelled, "enough");
  }),
                ErrorCode::kCancelled, "enough");
}

}  // namespace holdfast::zookeeper
