#include "agent/sources/etcd/restore.h"

#include "agent/sources/etcd/backup.h"
#include "agent/sources/registry/restore_methods.h"
#include "common/base/format.h"
#include "common/crypto/sha256.h"
#include "tests/support/fake_snapshot_view.h"
#include "tests/support/file_trees.h"
#include "tests/support/replaced_paths.h"
#include "tests/support/results.h"

namespace holdfast::etcd {
namespace {

RestoreTool Tool(const std::string& name, const std::string& version, bool can_bump = false) {
  return {"/bin/" + name, name, version, *ParseVersion(version), can_bump};
}

// Creates a database where --data-dir says, after it has run `$AT_START`.
constexpr std::string_view kTool = R"(#!/bin/sh
if [ "$1" = version ]; then echo "etcdutl version: 3.6.8"; exit; fi
case "$*" in *--help*) exit;; esac
eval "$AT_START"
file=$3
while [ "$1" != --data-dir ]; do shift; done
mkdir -p "$2/member" && cp "$file" "$2/member/db"
)";

// A restore of the snapshot "content" to `target`.
class Staging {
 public:
  Staging() {
    auto& node = view.nodes[std::string(kSnapshotPath)];
    node.content = ToBytes("content");
    crypto::Sha256 hasher;
    hasher.Update(node.content);
    const crypto::Digest hash = hasher.Finish();
    node.content.insert(node.content.end(), hash.begin(), hash.end());
    node.attributes.size = node.content.size();
    REQUIRE_OK(MakeDirectories(parent));
    REQUIRE_OK(MakeDirectories(outside));
  }
  ~Staging() { ::unsetenv("AT_START"); }

  // Shell commands that the tool runs first.
  static void AtStart(const std::string& commands) { ::setenv("AT_START", commands.c_str(), 1); }
  Result<MethodOutcome> Stage() {
    RestoreSpec spec;
    spec.snapshot = &view;
    spec.options.Set("stage_data_dir", target);
    spec.options.Set("member", "n1");
    spec.options.Set("initial_cluster", "n1=http://127.0.0.1:2380");
    Progress progress;
    return std::get<OneShotRestore>(StageDataDirMethod().open).run({}, {}, spec, progress, {});
  }

  const TempDir temp = testing::Unwrap(TempDir::Create("etcd-stage"));
  const std::string parent = temp.path() + "/etcd";
  const std::string target = parent + "/data";
  const std::string outside = temp.path() + "/outside";
  testing::FakeSnapshotView view;

 private:
  const testing::ProgramInPath program_{"etcdutl", kTool};
};

}  // namespace

TEST_CASE("restore tool: the snapshot's version is preferred, then the next newer one") {
  std::vector<RestoreTool> all = {Tool("etcdutl", "3.6.8", true), Tool("etcdutl", "3.5.21"),
                                  Tool("etcdctl", "3.4.23")};

  REQUIRE(testing::Unwrap(ChooseTool(all, Version{3, 4}, false)).version_text == "3.4.23");
  REQUIRE(testing::Unwrap(ChooseTool(all, Version{3, 5}, false)).version_text == "3.5.21");
  REQUIRE(testing::Unwrap(ChooseTool(all, Version{3, 4}, true)).version_text == "3.6.8");
  REQUIRE(testing::Unwrap(ChooseTool(all, std::nullopt, false)).version_text == "3.6.8");
  all.pop_back();
  REQUIRE(testing::Unwrap(ChooseTool(all, Version{3, 4}, false)).version_text == "3.5.21");
}

TEST_CASE("restore tool: unsuitable tools are named in the error") {
  REQUIRE_FAILS(ChooseTool({}, Version{3, 6}, false), ErrorCode::kUnsupported,
                "neither is in PATH");
  REQUIRE_FAILS(ChooseTool({Tool("etcdctl", "3.6.8")}, Version{3, 6}, false),
                ErrorCode::kUnsupported, "etcdctl 3.6.8");
  REQUIRE_FAILS(ChooseTool({Tool("etcdctl", "3.4.23")}, Version{3, 6}, false),
                ErrorCode::kUnsupported, "not older than the snapshot's 3.6");
  REQUIRE_FAILS(ChooseTool({Tool("etcdctl", "3.4.23")}, Version{3, 4}, true),
                ErrorCode::kUnsupported, "--bump-revision");
}

TEST_CASE("versions: two numbers are enough, fewer are refused") {
  REQUIRE(ParseVersion("3.4.23") == Version{3, 4});
  REQUIRE(ParseVersion("3.6.0-rc.1") == Version{3, 6});
  REQUIRE_FALSE(ParseVersion("3"));
  REQUIRE_FALSE(ParseVersion("v3.4"));
  REQUIRE_FALSE(ParseVersion(""));
}

TEST_CASE("initial cluster: parsed and formatted like etcd's") {
  std::string text = "n1=https://a:2380,n2=http://b:2380,n1=https://c:2380";
  auto peers = testing::Unwrap(ParseInitialCluster(text));

  REQUIRE(peers.size() == 2);
  REQUIRE(peers[0].urls.size() == 2);
  REQUIRE(InitialClusterText(peers) == "n1=https://a:2380,n1=https://c:2380,n2=http://b:2380");
  for (const char* bad : {"n1", "n1=a:2380", "=http://a:1", "n1=http://a:1,,n2=http://b:1"})
    REQUIRE_FAILS(ParseInitialCluster(bad), ErrorCode::kInvalidArgument, "NAME=PEER-URL");
}

TEST_CASE("initial cluster: a manifest gives the started voting members") {
  Manifest manifest;
  manifest.members = {{{"name", "n2"}, {"peer_urls", "http://b:1,http://c:1"}},
                      {{"name", "n1"}, {"peer_urls", "http://a:1"}},
                      {{"name", ""}, {"peer_urls", "http://d:1"}},
                      {{"name", "n3"}, {"peer_urls", "http://e:1"}, {"learner", "true"}}};

  REQUIRE(InitialClusterText(PeersOf(manifest)) == "n1=http://a:1,n2=http://b:1,n2=http://c:1");
}

TEST_CASE("etcd stage: creates the data directory with the tool, and leaves nothing else") {
  Staging staging;
  REQUIRE_OK(staging.Stage());
  REQUIRE(testing::ReadText(staging.target + "/member/db").starts_with("content"));
  REQUIRE(testing::Unwrap(NamesIn(staging.parent)) == std::vector<std::string>{"data"});
}

// Root runs the restore, and etcd's user owns the directory that the staging directory is in.
TEST_CASE("etcd stage: does not follow a staging directory that became a symlink") {
  Staging staging;
  SECTION("before the snapshot is written") {
    staging.view.on_open = [&](std::string_view) {
      testing::ReplaceByLink(testing::StagingIn(staging.parent), staging.outside);
    };
  }
  SECTION("while the tool runs") {
    testing::WriteText(staging.outside + "/snapshot.db", "theirs");
    staging.AtStart(
        fmt::format("staging=$(echo {}/.holdfast-*); mv $staging $staging.aside; "
                    "ln -s {} $staging",
                    staging.parent, staging.outside));
  }
  const std::vector<std::string> before = testing::DescribeTree(staging.outside);
  const auto outcome = staging.Stage();
  REQUIRE(testing::DescribeTree(staging.outside) == before);
  REQUIRE_FAILS(outcome, ErrorCode::kBusy,
                fmt::format("another process replaced \"{}/.holdfast-etcd-", staging.parent));
  const std::vector<std::string> left = testing::Unwrap(NamesIn(staging.parent));
  REQUIRE(left.size() == 2);  // the symlink, and what is aside
  REQUIRE(testing::Unwrap(NamesIn(staging.parent + "/" + left[1])).empty());
}

}  // namespace holdfast::etcd
