#include "agent/sources/zookeeper/tree_facts.h"

#include "agent/sources/zookeeper/txn_log.h"
#include "tests/support/catch.h"
#include "tests/unit/sources/zookeeper/real_files.h"

namespace holdfast::zookeeper {
namespace {

using testing::BuildSnapshot;
using testing::Opening;
using testing::RealFile;
using testing::TestLog;
using testing::TestNode;
using testing::TestSnapshot;
using testing::Unwrap;

TreeFacts FactsOf(const TestSnapshot& snapshot, std::int64_t zxid, const TestLog& log = {}) {
  return Unwrap(ReadTreeFacts({.snapshot = Opening(BuildSnapshot(snapshot)),
                               .snapshot_zxid = zxid,
                               .logs = {Opening(log.bytes())}},
                              {}));
}

NodeStat At(std::int64_t zxid) {
  return {.czxid = zxid, .mzxid = zxid, .ctime = 1000 + zxid, .mtime = 1000 + zxid, .pzxid = zxid};
}

}  // namespace

TEST_CASE("zookeeper tree: digest and count match those of the real server") {
  for (const std::string version : {"38", "39", "39-gz", "39-snappy"}) {
    INFO(version);
    const std::string ending = version.size() > 2 ? "." + version.substr(3) : "";
    for (const auto& [name, zxid] :
         {std::pair("snapshot.0", std::int64_t{0}), std::pair("snapshot.2a", std::int64_t{0x2a})}) {
      INFO(name);
      TreeFiles files;
      files.snapshot =
          Opening(RealFile(version + "/" + name + ending), CompressionOf("snapshot.0" + ending));
      files.snapshot_zxid = zxid;
      for (const char* log : {"/log.1", "/log.2b"})
        files.logs.push_back(Opening(RealFile(version + log)));
      const TreeFacts facts = Unwrap(ReadTreeFacts(files, {}));
      REQUIRE(facts.zxid == 0x38);
      REQUIRE(facts.nodes == 44);  // as reported by `srvr`
      REQUIRE(facts.logged.has_value());
      REQUIRE(facts.logged->zxid == 0x38);
      REQUIRE(facts.logged->digest == facts.digest);
      REQUIRE_FALSE(facts.first_difference.has_value());
    }
  }
}

TEST_CASE("zookeeper tree: another server's log is detected") {
  TreeFiles files;
  files.snapshot = Opening(RealFile("39/snapshot.2a"));
  files.snapshot_zxid = 0x2a;
  files.logs = {Opening(RealFile("38/log.2b"))};
  REQUIRE(Unwrap(ReadTreeFacts(files, {})).first_difference == 0x2b);
}

TEST_CASE("zookeeper tree: without a log it is the snapshot's tree") {
  TestSnapshot snapshot{.nodes = {{.path = ""}, {.path = "/a", .data = "1", .stat = At(3)}}};
  const TreeFacts facts = FactsOf(snapshot, 3);
  REQUIRE(facts.zxid == 3);
  REQUIRE(facts.nodes == 3);
  REQUIRE_FALSE(facts.logged.has_value());
  // ZooKeeper's own nodes are counted but are not part of the digest.
  snapshot.nodes.push_back({.path = "/zookeeper", .stat = At(1)});
  const std::uint64_t digest = FactsOf(snapshot, 3).digest;
  REQUIRE(digest != facts.digest);
  snapshot.nodes.push_back({.path = "/zookeeper/quota", .data = "q", .stat = At(1)});
  REQUIRE(FactsOf(snapshot, 3).digest == digest);
  REQUIRE(FactsOf(snapshot, 3).nodes == 5);
}

TEST_CASE("zookeeper tree: transactions already in a fuzzy snapshot apply once") {
  TestLog log;
  log.Add(4, 1, TestLog::Create("/a", "1", false, 1));
  log.Add(5, 1, TestLog::Create("/b", "2", false, 2));
  log.Add(6, 2, TestLog::Delete("/a"));
  log.Add(7, 1, TestLog::Create("/a", "3", false, 3));
  const TreeFacts exact = FactsOf({.nodes = {{.path = ""}}}, 3, log);
  REQUIRE(exact.nodes == 4);

  // The snapshot was started at zxid 3 while these transactions ran. It has the root's state either
  // as of then or as of the end.
  const TestNode a{.path = "/a", .data = "3", .stat = At(7)};
  const TestNode b{.path = "/b", .data = "2", .stat = At(5)};
  TestNode root{.path = ""};
  REQUIRE(FactsOf({.nodes = {root, b}}, 3, log).digest == exact.digest);
  root.stat.cversion = 3;
  root.stat.pzxid = 7;
  REQUIRE(FactsOf({.nodes = {root, a, b}}, 3, log).nodes == 4);
  // The snapshot has the root's state after the second creation of /a, but not /a itself.
  REQUIRE(FactsOf({.nodes = {root, b}}, 6, log).digest == exact.digest);
}

TEST_CASE(
    "zookeeper tree: closing a session deletes its nodes, whether the record lists them or not") {
  NodeStat owned = At(2);
  owned.owner = 77;
  const TestSnapshot snapshot{.nodes = {{.path = ""},
                                        {.path = "/d", .stat = At(1)},
                                        {.path = "/d/e", .stat = owned},
                                        {.path = "/f", .stat = owned}}};
  TestLog named;
  named.Add(4, 1, TestLog::Create("/g", "", true, 1));
  named.Add(5, -11, std::move(testing::JuteText().Int(3).Text("/d/e").Text("/f").Text("/g")));
  TestLog unnamed;
  unnamed.Add(4, 1, TestLog::Create("/g", "", true, 1));
  unnamed.Add(5, -11, {});
  const TreeFacts facts = FactsOf(snapshot, 3, named);
  REQUIRE(facts.nodes == 3);
  REQUIRE(FactsOf(snapshot, 3, unnamed).nodes == 3);
  REQUIRE(FactsOf(snapshot, 3, unnamed).digest == facts.digest);
}

TEST_CASE("zookeeper tree: a failed multi changes nothing") {
  TestLog log;
  log.Add(4, 14,
          TestLog::Multi(
              {{1, TestLog::Create("/a", "1")}, {-1, std::move(testing::JuteText().Int(-101))}}));
  log.Add(5, 14,
          TestLog::Multi({{1, TestLog::Create("/b", "1")}, {1, TestLog::Create("/b/c", "")}}));
  REQUIRE(FactsOf({.nodes = {{.path = ""}}}, 3, log).nodes == 4);
}

TEST_CASE("zookeeper tree: digests are compared once the snapshot is no longer fuzzy") {
  TestLog log;
  testing::JuteText wrong = TestLog::Create("/a", "1", false, 1);
  wrong.Int(2).Long(1);
  log.Add(4, 1, wrong);
  TestSnapshot snapshot{.nodes = {{.path = ""}}};
  REQUIRE(FactsOf(snapshot, 3, log).first_difference == 4);
  snapshot.digest = ZxidDigest{.zxid = 5, .version = 2, .digest = 1};
  REQUIRE_FALSE(FactsOf(snapshot, 3, log).first_difference.has_value());
  // A newly elected leader writes a digest with a zxid before its snapshot's.
  snapshot.digest->zxid = 2;
  REQUIRE(FactsOf(snapshot, 3, log).first_difference == 4);
}

}  // namespace holdfast::zookeeper
