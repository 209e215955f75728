#include "agent/sources/zookeeper/restore_data_dir.h"

#include "agent/sources/zookeeper/pinned_files.h"
#include "tests/support/catch.h"
#include "tests/support/fake_snapshot_view.h"
#include "tests/unit/sources/zookeeper/data_directory.h"

namespace holdfast::zookeeper {
namespace {

using testing::RealFile;
using testing::Unwrap;

class Staging {
 public:
  Staging() : temp(Unwrap(TempDir::Create("zookeeper-stage"))) {
    for (const char* name : {"snapshot.2a", "log.1", "log.2b"})
      Write(name, RealFile(std::string("39/") + name));
    view.Complete();
  }

  void Write(const std::string& name, Bytes content) {
    auto& node = view.nodes["data/version-2/" + name];
    node.attributes.mode = 0600;
    node.attributes.size = content.size();
    node.content = std::move(content);
  }

  Result<MethodOutcome> Stage(const std::map<std::string, std::string>& options) {
    RestoreSpec spec;
    spec.snapshot = &view;
    for (const auto& [name, value] : options) spec.options.Set(name, value);
    Progress progress;
    return StageDataDirectory(spec, progress, {});
  }

  TreeFacts FactsIn(const std::string& data_dir, const std::string& log_dir) {
    const PinnedFiles files =
        Unwrap(PinnedFiles::Open({.data_dir = data_dir, .log_dir = log_dir}, {}));
    return Unwrap(ReadTreeFacts(files.Tree(), {}));
  }

  std::vector<std::string> NamesIn(const std::string& path) {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(path))
      names.push_back(entry.path().filename());
    std::ranges::sort(names);
    return names;
  }

  TempDir temp;
  testing::FakeSnapshotView view;
  const std::string data = temp.path() + "/data";
};

using Names = std::vector<std::string>;

}  // namespace

TEST_CASE("zookeeper stage: creates a data directory with the snapshot's content") {
  Staging staging;
  const MethodOutcome outcome =
      Unwrap(staging.Stage({{"stage_data_dir", staging.data}, {"member", "3"}}));
  REQUIRE_THAT(outcome.lines.at(0), Catch::Contains("after 0x38, 44 nodes"));
  REQUIRE_THAT(outcome.lines.at(1), Catch::Contains("digest"));
  REQUIRE(outcome.warnings.empty());
  REQUIRE(staging.NamesIn(staging.data) == Names{"myid", "version-2"});
  REQUIRE(staging.NamesIn(staging.data + "/version-2") == Names{"log.1", "log.2b", "snapshot.2a"});
  REQUIRE(AsText(Unwrap(ReadWholeFile(staging.data + "/myid"))) == "3\n");
  REQUIRE_FAILS(staging.Stage({{"stage_data_dir", staging.data}}), ErrorCode::kAlreadyExists,
                "move version-2 aside");
}

TEST_CASE("zookeeper stage: restores the tree as of an earlier transaction") {
  Staging staging;
  REQUIRE_OK(staging.Stage({{"stage_data_dir", staging.data}, {"until_zxid", "0x2d"}}));
  const TreeFacts facts = staging.FactsIn(staging.data, staging.data);
  REQUIRE(facts.zxid == 0x2d);
  REQUIRE(facts.logged->digest == facts.digest);

  const std::string first = staging.temp.path() + "/first";
  REQUIRE_OK(staging.Stage({{"stage_data_dir", first}, {"until_zxid", "0x2a"}}));
  REQUIRE(staging.FactsIn(first, first).zxid == 0x2a);
  REQUIRE(staging.NamesIn(first + "/version-2") == Names{"log.1", "snapshot.2a"});
}

TEST_CASE("zookeeper stage: logs go to a separate directory") {
  Staging staging;
  const std::string logs = staging.temp.path() + "/logs";
  REQUIRE_OK(staging.Stage({{"stage_data_dir", staging.data}, {"stage_data_log_dir", logs}}));
  REQUIRE(staging.NamesIn(staging.data) == Names{"version-2"});
  REQUIRE(staging.NamesIn(staging.data + "/version-2") == Names{"snapshot.2a"});
  REQUIRE(staging.NamesIn(logs + "/version-2") == Names{"log.1", "log.2b"});
  REQUIRE(staging.FactsIn(staging.data, logs).zxid == 0x38);
}

TEST_CASE("zookeeper stage: a tree that differs from that of ZooKeeper is reported") {
  Staging staging;
  staging.Write("snapshot.2a", RealFile("38/snapshot.2a"));
  const MethodOutcome outcome = Unwrap(staging.Stage({{"stage_data_dir", staging.data}}));
  REQUIRE_THAT(outcome.lines.at(0), Catch::Contains("after 0x38"));
  REQUIRE_THAT(outcome.lines.at(1), !Catch::Contains("digest"));
  REQUIRE_THAT(outcome.warnings.at(0), Catch::Contains("digest differs from the one"));
}

// The files are complete, and a server that knows the type replays them.
TEST_CASE("zookeeper stage: accepts a transaction of an unknown type") {
  constexpr std::int32_t kNewType = 999;
  Staging staging;
  Bytes log = RealFile("39/log.2b");
  log.resize(log.size() - 64);  // cut off the preallocated bytes
  const Bytes more = testing::TestLog().Add(0x39, kNewType, {}).bytes();
  log.insert(log.end(), more.begin() + 16, more.end());
  staging.Write("log.2b", std::move(log));
  const MethodOutcome outcome = Unwrap(staging.Stage({{"stage_data_dir", staging.data}}));
  REQUIRE_THAT(outcome.lines.at(0), Catch::EndsWith("after 0x39"));
  REQUIRE_THAT(outcome.warnings.at(0), Catch::Contains("node count and digest are not known"));
  REQUIRE(staging.NamesIn(staging.data + "/version-2") == Names{"log.1", "log.2b", "snapshot.2a"});
}

TEST_CASE("zookeeper stage: a failure leaves no files") {
  Staging staging;
  const auto stage = [&](const std::string& until) {
    return staging.Stage({{"stage_data_dir", staging.data}, {"until_zxid", until}});
  };
  REQUIRE_FAILS(stage("0x29"), ErrorCode::kInvalidArgument, "earlier snapshot");
  REQUIRE_FAILS(stage("0x39"), ErrorCode::kInvalidArgument, "ends at 0x38");
  REQUIRE_FAILS(stage("38"), ErrorCode::kInvalidArgument,
                "is not a zxid; expected one such as 0x10000002a");
  REQUIRE_FAILS(staging.Stage({{"stage_data_dir", staging.data}, {"member", "x"}}),
                ErrorCode::kInvalidArgument, "is not a member's number");
  staging.view.nodes.at("data/version-2/snapshot.2a").content[100] ^= 1;
  REQUIRE_FAILS(staging.Stage({{"stage_data_dir", staging.data}}), ErrorCode::kCorrupt,
                "is complete");
  REQUIRE(staging.NamesIn(staging.data).empty());
  staging.view.nodes.erase("data/version-2/snapshot.2a");
  REQUIRE_FAILS(staging.Stage({{"stage_data_dir", staging.data}}), ErrorCode::kNotFound,
                "no data/version-2/snapshot");
}

}  // namespace holdfast::zookeeper
