#include "agent/sources/zookeeper/restore_data_dir.h"

#include "agent/sources/zookeeper/pinned_files.h"
#include "common/base/format.h"
#include "tests/support/catch.h"
#include "tests/support/fake_snapshot_view.h"
#include "tests/support/file_trees.h"
#include "tests/support/replaced_paths.h"
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

// A directory of another user, with all that a restore creates, changes or removes.
class Outside {
 public:
  explicit Outside(const Staging& staging) : path(staging.temp.path() + "/outside") {
    REQUIRE_OK(MakeDirectories(path + "/version-2"));
    testing::WriteText(path + "/myid", "7\n");
    for (const char* name : {"snapshot.2a", "log.1", "log.2b"})
      REQUIRE_OK(
          WriteFileAtomic(path + "/version-2/" + name, RealFile(std::string("39/") + name), 0600));
    Remember();
  }
  void Remember() { before_ = testing::DescribeTree(path); }
  void RequireUnchanged() const { REQUIRE(testing::DescribeTree(path) == before_); }

  const std::string path;

 private:
  std::vector<std::string> before_;
};

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

// Root runs the restore, and ZooKeeper's user owns the directory that the staging directory is in.
TEST_CASE("zookeeper stage: does not follow a staging directory that became a symlink") {
  Staging staging;
  const Outside outside(staging);
  const std::string logs = staging.temp.path() + "/logs";
  std::map<std::string, std::string> options = {{"stage_data_dir", staging.data}};
  std::string replaced;
  const auto replace = [&](const std::string& directory) {
    if (!replaced.empty()) return;
    replaced = directory;
    testing::ReplaceByLink(directory, outside.path);
  };
  SECTION("before the first extraction") { staging.view.on_extract = replace; }
  SECTION("after the first extraction") { staging.view.after_extract = replace; }
  SECTION("for logs") {
    options["stage_data_log_dir"] = logs;
    staging.view.on_extract = [&](const std::string& directory) {
      if (directory.starts_with(logs)) replace(directory);
    };
  }
  const auto outcome = staging.Stage(options);
  outside.RequireUnchanged();
  REQUIRE_FAILS(outcome, ErrorCode::kBusy,
                fmt::format("another process replaced \"{}\"", replaced));
  REQUIRE_FALSE(testing::Exists(staging.data + "/version-2"));
  REQUIRE_FALSE(testing::Exists(logs + "/version-2"));
  REQUIRE(staging.NamesIn(testing::AsideOf(replaced)).empty());
}

TEST_CASE("zookeeper stage: does not shorten logs in a directory that replaced its own") {
  Staging staging;
  const Outside outside(staging);
  std::string replaced;
  int extractions = 0;
  staging.view.after_extract = [&](const std::string& directory) {
    if (++extractions < 2) return;
    replaced = directory;
    std::filesystem::rename(directory, testing::AsideOf(directory));
    REQUIRE_OK(MakeDirectories(directory));
    std::filesystem::create_directory_symlink(outside.path + "/version-2",
                                              directory + "/version-2");
  };
  const auto outcome = staging.Stage({{"stage_data_dir", staging.data}, {"until_zxid", "0x2a"}});
  outside.RequireUnchanged();
  REQUIRE_FAILS(outcome, ErrorCode::kBusy,
                fmt::format("another process replaced \"{}\"", replaced));
  REQUIRE_FALSE(testing::Exists(staging.data + "/version-2"));
  // What is there now does not belong to the restore.
  REQUIRE(staging.NamesIn(replaced) == Names{"version-2"});
}

TEST_CASE("zookeeper stage: does not follow a data directory that became a symlink") {
  Staging staging;
  Outside outside(staging);
  const std::string aside = testing::AsideOf(staging.data);
  int extractions = 0;
  staging.view.after_extract = [&](const std::string& directory) {
    if (++extractions < 2) return;
    const std::string name = std::filesystem::path(directory).filename();
    testing::ReplaceByLink(staging.data, outside.path);
    // Its path still leads to the staging directory, as if this happened right before the next use.
    std::filesystem::create_directory_symlink(aside + "/" + name, outside.path + "/" + name);
    outside.Remember();
  };
  const auto outcome = staging.Stage({{"stage_data_dir", staging.data}, {"member", "3"}});
  outside.RequireUnchanged();
  REQUIRE_FAILS(outcome, ErrorCode::kBusy, "another process replaced");
  REQUIRE(staging.NamesIn(aside).empty());
}

}  // namespace holdfast::zookeeper
