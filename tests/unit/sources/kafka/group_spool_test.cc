#include "agent/sources/kafka/group_spool.h"

#include <sys/stat.h>

#include "tests/support/catch.h"
#include "tests/support/file_trees.h"

namespace holdfast::kafka {
namespace {

using testing::Unwrap;

GroupDocument Group(const std::string& name, std::size_t offsets) {
  GroupDocument group;
  group.name = name;
  group.state = "Empty";
  for (std::size_t i = 0; i < offsets; ++i)
    group.offsets.push_back({"orders", static_cast<std::int32_t>(i), 42, -1, "note"});
  return group;
}

TEST_CASE("group spool: each group is returned once, in order") {
  TempDir top = Unwrap(TempDir::Create("kafka-groups"));
  GroupSpool spool(top.path() + "/a/b");
  const std::vector<GroupDocument> groups = {Group("one", 1), Group("a/b", 1000), Group("", 0)};
  std::uint64_t bytes = 0;
  for (const GroupDocument& group : groups) {
    REQUIRE_OK(spool.Add(group));
    bytes += EncodeGroup(group).size();
  }
  REQUIRE(spool.groups() == 3);
  REQUIRE(spool.bytes() == bytes);
  for (const GroupDocument& group : groups) {
    const auto document = Unwrap(spool.Next());
    REQUIRE(document);
    REQUIRE(document->path == GroupPath(group.name));
    REQUIRE(Unwrap(DecodeGroup(document->json)) == group);
  }
  REQUIRE_FALSE(Unwrap(spool.Next()));
  // No other file is left.
  REQUIRE(testing::DescribeTree(top.path() + "/a/b").size() == 1);
}

TEST_CASE("group spool: without groups there is no file") {
  TempDir top = Unwrap(TempDir::Create("kafka-groups"));
  GroupSpool spool(top.path() + "/state");
  REQUIRE_FALSE(Unwrap(spool.Next()));
  REQUIRE_FALSE(testing::Exists(top.path() + "/state"));
}

TEST_CASE("group spool: a directory that cannot be written is an error") {
  TempDir top = Unwrap(TempDir::Create("kafka-groups"));
  testing::WriteText(top.path() + "/file", "");
  GroupSpool spool(top.path() + "/file");
  REQUIRE_FAILS(spool.Add(Group("one", 1)), ErrorCode::kAlreadyExists, "is not a directory");
}

}  // namespace
}  // namespace holdfast::kafka
