#include "agent/jobs/session/snapshot_path.h"

#include <string>

#include "common/stream/original_path.h"
#include "tests/support/catch.h"
#include "tests/support/fake_snapshot_view.h"
#include "tests/support/results.h"

namespace holdfast::jobs {
namespace {

using testing::Unwrap;

void AddFile(testing::FakeSnapshotView& view, const std::string& path) {
  view.nodes[path].attributes.type = NodeType::kFile;
  view.Complete();
}

TEST_CASE("snapshot path: the absolute path of a saved file becomes its path in the snapshot") {
  testing::FakeSnapshotView view;
  AddFile(view, "data/etc/hosts");

  REQUIRE(Unwrap(ResolvePath(view, "data", "/etc/hosts")) == "data/etc/hosts");
  REQUIRE(Unwrap(ResolvePath(view, "data", "/etc/")) == "data/etc");
  REQUIRE(Unwrap(ResolvePath(view, "data", "data/etc/hosts")) == "data/etc/hosts");
  REQUIRE(Unwrap(ResolvePath(view, "data", "/data/etc/hosts")) == "data/etc/hosts");
  REQUIRE(Unwrap(ResolvePath(view, "data", "/")).empty());
  // Not in the snapshot: the caller reports the path as typed.
  REQUIRE(Unwrap(ResolvePath(view, "data", "/etc/motd")) == "data/etc/motd");
  // Stock restic's snapshots begin at the root.
  REQUIRE(Unwrap(ResolvePath(view, "", "/etc/hosts")) == "etc/hosts");
}

TEST_CASE("snapshot path: a file of one node is found, a file of two nodes is ambiguous") {
  testing::FakeSnapshotView view;
  AddFile(view, "members/lb-1/files/etc/haproxy.cfg");
  AddFile(view, "members/lb-1/files/etc/shared");
  AddFile(view, "members/lb-2/files/etc/shared");

  REQUIRE(Unwrap(ResolvePath(view, kMembersRoot, "/etc/haproxy.cfg")) ==
          "members/lb-1/files/etc/haproxy.cfg");
  REQUIRE_FAILS(ResolvePath(view, kMembersRoot, "/etc/shared"), ErrorCode::kInvalidArgument,
                "is a path of 2 nodes");
}

TEST_CASE("snapshot path: patterns of absolute paths are anchored at the kind's root") {
  REQUIRE(PatternInSnapshot("data", "/etc/*.conf") == "/data/etc/*.conf");
  REQUIRE(PatternInSnapshot(kMembersRoot, "/etc/etcd") == "/members/*/files/etc/etcd");
  REQUIRE(PatternInSnapshot("data", "/data/etc") == "/data/etc");
  REQUIRE(PatternInSnapshot("data", "/database") == "/data/database");
  REQUIRE(PatternInSnapshot("data", "*.conf") == "*.conf");
  REQUIRE(PatternInSnapshot("", "/etc/*.conf") == "/etc/*.conf");
}

TEST_CASE("snapshot path: the root of a kind contains the node's name") {
  REQUIRE(RootOfNode(kMembersRoot, "lb-1") == "members/lb-1/files");
  REQUIRE(RootOfNode("data", "lb-1") == "data");
}

TEST_CASE("snapshot path: leading components are stripped along the path and below it") {
  testing::FakeSnapshotView view;
  AddFile(view, "data/srv/app/a");
  AddFile(view, "data/srv/app/b");

  REQUIRE(Unwrap(StrippedPrefix(view, "", 0)).empty());
  REQUIRE(Unwrap(StrippedPrefix(view, "data/srv/app/a", 2)) == "data/srv");
  REQUIRE(Unwrap(StrippedPrefix(view, "data", 3)) == "data/srv/app");
  REQUIRE_FAILS(StrippedPrefix(view, "data/srv/app/a", 4), ErrorCode::kInvalidArgument,
                "\"data/srv/app/a\" is not a directory");
  REQUIRE_FAILS(StrippedPrefix(view, "data", 4), ErrorCode::kInvalidArgument,
                "\"data/srv/app\" has 2 entries");
  AddFile(view, "members/n/process.json");
  REQUIRE_FAILS(StrippedPrefix(view, "", 1), ErrorCode::kInvalidArgument,
                "the top of the snapshot has 2 entries");
}

}  // namespace
}  // namespace holdfast::jobs
