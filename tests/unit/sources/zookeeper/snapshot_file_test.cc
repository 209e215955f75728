#include "agent/sources/zookeeper/snapshot_file.h"

#include <map>

#include "tests/support/catch.h"
#include "tests/unit/sources/zookeeper/real_files.h"

namespace holdfast::zookeeper {
namespace {

using testing::BuildSnapshot;
using testing::MemoryContent;
using testing::RealFile;
using testing::TestSnapshot;
using testing::Unwrap;

Result<SnapshotSummary> ReadBytes(ByteView bytes, const SnapshotVisitor& visitor = {},
                                  std::size_t piece = 300) {
  MemoryContent content(bytes, piece);
  return ReadSnapshot(content, visitor, {});
}

const TestSnapshot kSmall = {.nodes = {{.path = ""}, {.path = "/a", .data = "1"}}};

}  // namespace

TEST_CASE("zookeeper snapshot: real snapshots are read") {
  for (const std::string version : {"38", "39"}) {
    INFO(version);
    std::map<std::string, std::optional<std::string>> nodes;
    std::map<std::int64_t, std::vector<AclEntry>> acls;
    std::map<std::string, std::int64_t> owners;
    std::int64_t secret = 0;
    SnapshotVisitor visitor;
    visitor.acl = [&](std::int64_t number, std::vector<AclEntry>&& acl) -> Result<void> {
      acls[number] = std::move(acl);
      return {};
    };
    visitor.node = [&](const SnapshotNode& node) -> Result<void> {
      nodes[std::string(node.path)] =
          node.data ? std::optional(std::string(AsText(*node.data))) : std::nullopt;
      owners[std::string(node.path)] = node.stat.owner;
      if (node.path == "/secret") secret = node.acl;
      return {};
    };
    const SnapshotSummary summary =
        Unwrap(ReadBytes(RealFile(version + "/snapshot.2a"), visitor, 1));
    REQUIRE(summary.nodes == nodes.size());
    REQUIRE(summary.sessions == 2);
    REQUIRE(nodes.at("") == "");
    REQUIRE(nodes.at("/a") == "2");
    REQUIRE(nodes.at("/a/none") == std::nullopt);
    REQUIRE(nodes.at("/a/\u00e4\u20ac") == "text");
    REQUIRE_FALSE(nodes.contains("/a/n3"));
    REQUIRE(nodes.at("/zookeeper/quota") == "");
    REQUIRE(acls.at(secret) ==
            std::vector<AclEntry>{{31, "digest", "anna:Wap/fLaD11BLJBT+7fkDcVxaT7c="},
                                  {1, "world", "anyone"}});
    REQUIRE(owners.at("/a/e1") != 0);
    REQUIRE(owners.at("/c") == INT64_MIN);
    REQUIRE(static_cast<std::uint64_t>(owners.at("/t")) == (0xff00000000000000 | 1'000'000));
    REQUIRE(summary.last_zxid.has_value() == (version == "39"));
    // Before it took part in anything, the server had no transaction digest.
    REQUIRE(summary.fuzzy_end() == 0x2a);
  }
}

TEST_CASE("zookeeper snapshot: a file truncated anywhere or with a flipped bit is refused") {
  for (const char* name : {"38/snapshot.0", "39/snapshot.0"}) {
    const Bytes file = RealFile(name);
    REQUIRE_OK(ReadBytes(file));
    std::size_t whole = 0;
    for (std::size_t bytes = 0; bytes < file.size(); ++bytes) {
      auto read = ReadBytes(ByteView(file).first(bytes));
      // Each seal ends a file that an older ZooKeeper would have written.
      if (read) ++whole;
    }
    REQUIRE(whole == (std::string_view(name) == "38/snapshot.0" ? 1 : 2));
    for (std::size_t at = 0; at < file.size(); ++at) {
      Bytes spoiled = file;
      spoiled[at] ^= 0x10;
      REQUIRE_FALSE(ReadBytes(spoiled).has_value());
    }
  }
}

TEST_CASE("zookeeper snapshot: digest and last zxid are optional") {
  REQUIRE(Unwrap(ReadBytes(BuildSnapshot(kSmall))).fuzzy_end() == 0);
  TestSnapshot with = kSmall;
  with.last_zxid = 9;
  REQUIRE(Unwrap(ReadBytes(BuildSnapshot(with))).last_zxid == 9);
  REQUIRE_FALSE(Unwrap(ReadBytes(BuildSnapshot(with))).digest.has_value());
  with.digest = ZxidDigest{.zxid = 12, .version = 2, .digest = 5};
  const SnapshotSummary both = Unwrap(ReadBytes(BuildSnapshot(with)));
  REQUIRE(both.digest == with.digest);
  REQUIRE(both.last_zxid == 9);
  REQUIRE(both.fuzzy_end() == 12);
  with.last_zxid.reset();
  REQUIRE(Unwrap(ReadBytes(BuildSnapshot(with))).digest == with.digest);
}

TEST_CASE("zookeeper snapshot: files with which ZooKeeper would not start are refused") {
  REQUIRE_FAILS(ReadBytes({}), ErrorCode::kCorrupt, "ends in the middle");
  REQUIRE_FAILS(ReadBytes(AsBytes("not a ZooKeeper snapshot at all, is it?")), ErrorCode::kCorrupt,
                "not a ZooKeeper snapshot");
  REQUIRE_FAILS(ReadBytes(testing::JuteText().Raw("ZKSN").Int(3).Long(-1).bytes()),
                ErrorCode::kUnsupported, "version 3");
  const auto tree = [](std::vector<testing::TestNode> nodes) {
    return ReadBytes(BuildSnapshot({.nodes = std::move(nodes)}));
  };
  REQUIRE_FAILS(tree({}), ErrorCode::kCorrupt, "no root");
  REQUIRE_FAILS(tree({{.path = "/a"}}), ErrorCode::kCorrupt, "root");
  REQUIRE_FAILS(tree({{.path = ""}, {.path = "/a/b"}}), ErrorCode::kCorrupt,
                "the parent of \"/a/b\" is missing");
  REQUIRE_FAILS(tree({{.path = ""}, {.path = "/ab"}, {.path = "/a/b"}}), ErrorCode::kCorrupt,
                "missing");
  REQUIRE_OK(tree({{.path = ""}, {.path = "/a"}, {.path = "/a/b"}, {.path = "/c"}}));
  Bytes longer = BuildSnapshot(kSmall);
  longer.insert(longer.end(), 5000, 0);
  REQUIRE_FAILS(ReadBytes(longer), ErrorCode::kCorrupt, "follows its end");
}

TEST_CASE("zookeeper snapshot: a visitor's error and a stop end the read") {
  SnapshotVisitor visitor;
  visitor.node = [](const SnapshotNode&) -> Result<void> {
    return Fail(ErrorCode::kNoSpace, "no more");
  };
  REQUIRE_FAILS(ReadBytes(BuildSnapshot(kSmall), visitor), ErrorCode::kNoSpace, "no more");
  std::stop_source stop;
  stop.request_stop();
  MemoryContent content(BuildSnapshot(kSmall));
  REQUIRE_FAILS(ReadSnapshot(content, {}, stop.get_token()), ErrorCode::kCancelled, "");
}

TEST_CASE("zookeeper snapshot: file names contain the zxid") {
  REQUIRE(ZxidOf("snapshot.2a", "snapshot") == 0x2a);
  REQUIRE(ZxidOf("snapshot.10000000f.gz", "snapshot") == 0x10000000f);
  REQUIRE(ZxidOf("snapshot.0.snappy", "snapshot") == 0);
  REQUIRE(ZxidOf("log.1", "log") == 1);
  for (const char* name : {"log.1", "snapshot", "snapshot.", "snapshot.x", "snapshot.1.tmp",
                           "snapshot.1~", "snapshots.1", "snapshot.ffffffffffffffff"}) {
    INFO(name);
    REQUIRE(ZxidOf(name, "snapshot") == std::nullopt);
  }
}

}  // namespace holdfast::zookeeper
