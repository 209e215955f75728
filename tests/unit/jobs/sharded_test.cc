// A sharded source, from its nodes' parts to the snapshot.

#include <map>

#include "agent/jobs/parts/compose_job.h"
#include "agent/jobs/parts/part_record.h"
#include "tests/support/catch.h"
#include "tests/support/sharded_source.h"
#include "tests/unit/jobs/jobs_fixture.h"

namespace holdfast::jobs {
namespace {

using testing::Unwrap;

// Nodes n1 to n3 of "shop/s" in one repository.
struct Shop : ClusterNodes {
  Shop() {
    fixture.kinds.push_back(testing::ShardedKind(world));
    AddNodes(
        "  - {kind: shop, name: s}\n"
        "  - {kind: shop, name: other}\n");
    request.kind = "shop";
    request.name = "s";
    request.host = "prod";
  }

  Result<SavedPart> TrySave(const std::string& node, BackupScope scope,
                            const std::string& name = "s") {
    BackupTaskOptions options{
        .settings = nodes.at(node).FindSource("shop", name), .scope = scope, .compose = false};
    if (IsRest(scope)) {
      for (const ComposeRequest::Part& part : request.parts)
        options.others.push_back({part.node, part.tree});
    }
    BackupTask task(On(node), std::move(options));
    HF_TRY(task.Prepare());
    HF_TRY(task.Cut());
    HF_TRY(task.Save());
    held.push_back(task.TakePart());
    return task.saved();
  }
  // Saves a part, and adds it to the order.
  SavedPart Save(const std::string& node, BackupScope scope) {
    SavedPart saved = Unwrap(TrySave(node, scope));
    request.parts.push_back({.node = node, .tree = saved.tree, .scope = saved.scope});
    return saved;
  }
  Result<ComposedSnapshot> Compose() {
    ComposeReport report = RunCompose(On("n1"), Address(), request, journal,
                                      fixture.clock.Now() + std::chrono::hours(1));
    if (report.error) return Fail(*report.error);
    return report.snapshot;
  }
  // Path -> content of all files in the run's snapshot, without its manifest.
  std::map<std::string, std::string> Files() {
    auto session = Unwrap(RepositorySession::Open(On("n1"), Address(), LockUse::kNone));
    REQUIRE_OK(session->repository().index().Load({}));
    const auto snapshots = Unwrap(repository::ListSnapshots(session->repository()));
    auto view = Unwrap(repository::OpenSnapshot(session->repository(), snapshots.back()));
    std::map<std::string, std::string> files;
    for (const std::string& path : testing::PathsOf(*view)) {
      if (path.ends_with('/') || path == "manifest.json") continue;
      auto reader = Unwrap(view->Open(path));
      files[path] = std::string(AsText(Unwrap(testing::ReadAll(*reader))));
    }
    return files;
  }
  // Everything that the service has, with the configuration of these nodes.
  std::map<std::string, std::string> Everything(const std::vector<std::string>& of) const {
    std::map<std::string, std::string> files = world.common;
    for (const auto& [name, shard] : world.shards) {
      for (const auto& [file, text] : shard.files) files["data/" + name + "/" + file] = text;
    }
    for (const std::string& node : of) files["members/" + node + "/conf"] = world.own.at(node);
    return files;
  }

  testing::ShardedWorld world = testing::ShardedWorld::Small();
  std::vector<HeldPart> held;
  ComposeRequest request;
  MemorySealedJournal journal;
};

TEST_CASE("sharded: the nodes' shards and the rest become one complete snapshot") {
  Shop shop;
  const SavedPart lead = shop.Save("n1", BackupScope::kLead);
  const SavedPart shards = shop.Save("n2", BackupScope::kShards);
  const SavedPart rest = shop.Save("n1", BackupScope::kRest);
  CHECK(lead.scope == BackupScope::kLead);
  CHECK(shards.scope == BackupScope::kShards);
  CHECK(rest.scope == BackupScope::kRest);
  CHECK(rest.items == 2);  // one shard, and nothing that other nodes have

  const ComposedSnapshot composed = Unwrap(shop.Compose());

  CHECK_FALSE(composed.is_partial);
  CHECK(shop.Files() == shop.Everything({"n1", "n2"}));
  const Manifest& manifest = composed.manifest;
  CHECK(manifest.topology == "sharded");
  CHECK(manifest.position.at("shards") == "3");
  CHECK(manifest.details.at("shards") == std::vector<std::string>{"s1"});
  CHECK(manifest.details.at("members/n2/shards") == std::vector<std::string>{"s2"});
  CHECK(manifest.details.at("rest/shards") == std::vector<std::string>{"s3"});
  REQUIRE(manifest.parts.size() == 3);
  CHECK(manifest.parts[2].node == "n1");
  CHECK(manifest.parts[2].is_rest);
  CHECK_FALSE(manifest.parts[0].is_rest);
}

TEST_CASE("sharded: a shard that its node read only partly comes completely from the rest") {
  Shop shop;
  shop.world.shards["s2"].breaks = true;
  shop.Save("n1", BackupScope::kLead);
  shop.Save("n2", BackupScope::kShards);
  shop.world.shards["s2"].files = {{"begin", "begin anew"}, {"end", "end anew"}};
  shop.Save("n3", BackupScope::kRest);

  const ComposedSnapshot composed = Unwrap(shop.Compose());

  CHECK_FALSE(composed.is_partial);
  CHECK(shop.Files() == shop.Everything({"n1", "n2"}));
  CHECK(composed.manifest.warnings ==
        std::vector<std::string>{"n2: shard s2 could not be read to its end"});
  CHECK(composed.manifest.details.at("rest/shards") == std::vector<std::string>{"s2", "s3"});
}

TEST_CASE("sharded: a shard that moved and was saved twice comes completely from one node") {
  Shop shop;
  shop.Save("n1", BackupScope::kLead);
  shop.world.shards["s1"].leader = "n2";
  shop.world.shards["s1"].files = {{"begin", "begin later"}, {"end", "end later"}, {"tail", "t"}};
  shop.Save("n2", BackupScope::kShards);
  shop.Save("n1", BackupScope::kRest);

  Unwrap(shop.Compose());

  const auto files = shop.Files();
  CHECK(files.at("data/s1/begin") == "begin of s1");
  CHECK(files.at("data/s1/end") == "end of s1");
  CHECK_FALSE(files.contains("data/s1/tail"));
}

TEST_CASE("sharded: without the lead's part the rest has the data, and all unsaved shards") {
  Shop shop;
  shop.Save("n2", BackupScope::kShards);
  shop.Save("n2", BackupScope::kRestWithData);
  shop.request.lacking = {{"n1", "it did not answer"}};

  const ComposedSnapshot composed = Unwrap(shop.Compose());

  CHECK(composed.is_partial);
  CHECK(composed.manifest.missing == std::vector<Missing>{{"members/n1", "it did not answer", ""}});
  CHECK(composed.manifest.details.at("shards") == std::vector<std::string>{"s1", "s3"});
  CHECK(composed.manifest.position.at("shards") == "3");
  CHECK(shop.Files() == shop.Everything({"n2"}));
}

TEST_CASE("sharded: without the rest the snapshot says that shards may be missing") {
  Shop shop;
  shop.world.rest_failure = Error(ErrorCode::kUnavailable, "away");
  shop.Save("n1", BackupScope::kLead);
  shop.Save("n2", BackupScope::kShards);
  REQUIRE_FAILS(shop.TrySave("n1", BackupScope::kRest), ErrorCode::kUnavailable, "away");
  shop.request.lacking = {{"", "away"}};

  const ComposedSnapshot composed = Unwrap(shop.Compose());

  CHECK(composed.is_partial);
  CHECK(composed.manifest.missing ==
        std::vector<Missing>{{"shards that no node saved", "away", "back the source up again"}});
  CHECK_FALSE(shop.Files().contains("data/s3/begin"));
}

TEST_CASE("sharded: items missing from the rest make the snapshot partial") {
  Shop shop;
  shop.world.rest_missing = {{"s3", "nobody leads it", "start a broker"}};
  shop.Save("n1", BackupScope::kLead);
  shop.Save("n2", BackupScope::kShards);
  shop.Save("n1", BackupScope::kRest);

  const ComposedSnapshot composed = Unwrap(shop.Compose());

  CHECK(composed.is_partial);
  CHECK(composed.manifest.missing ==
        std::vector<Missing>{{"n1: s3", "nobody leads it", "start a broker"}});
}

TEST_CASE(
    "sharded: the rest accepts only parts of the same run and source, and of the nodes named") {
  Shop shop;
  const SavedPart strange = Unwrap(shop.TrySave("n2", BackupScope::kShards, "other"));
  shop.request.parts.push_back({.node = "n2", .tree = strange.tree});
  REQUIRE_FAILS(shop.TrySave("n1", BackupScope::kRest), ErrorCode::kCorrupt,
                "part of node \"n2\": its part.json belongs to \"shop/other\"");
  const SavedPart shards = Unwrap(shop.TrySave("n2", BackupScope::kShards));
  shop.request.parts[0] = {.node = "n3", .tree = shards.tree};
  REQUIRE_FAILS(shop.TrySave("n1", BackupScope::kRest), ErrorCode::kCorrupt,
                "part of node \"n3\": its part.json belongs to \"shop/s\"");
  shop.request.parts[0].node = "n2";
  shop.request.parts[0].tree = repository::Id{{1}};
  REQUIRE_FAILS(shop.TrySave("n1", BackupScope::kRest), ErrorCode::kCorrupt, "part of node \"n2\"");
}

TEST_CASE("sharded: an order that confuses parts and rests is refused") {
  Shop shop;
  shop.Save("n1", BackupScope::kLead);
  shop.Save("n2", BackupScope::kShards);
  shop.Save("n1", BackupScope::kRest);
  SECTION("of an unsharded source") {
    shop.request.parts[0].scope = BackupScope::kWhole;
    shop.request.parts[1].scope = BackupScope::kMember;
    REQUIRE_FAILS(shop.Compose(), ErrorCode::kInvalidArgument,
                  "names a rest part, but the source is not sharded");
  }
  SECTION("two rests") {
    shop.request.parts[1].scope = BackupScope::kRest;
    REQUIRE_FAILS(shop.Compose(), ErrorCode::kInvalidArgument, "names more than one rest part");
  }
  SECTION("a part as the rest") {
    shop.request.parts[1].scope = BackupScope::kRest;
    shop.request.parts.pop_back();
    REQUIRE_FAILS(shop.Compose(), ErrorCode::kCorrupt,
                  "rest of node \"n2\": its part.json describes a part");
  }
  SECTION("the rest as a part") {
    shop.request.parts[2].scope = BackupScope::kShards;
    shop.request.parts.erase(shop.request.parts.begin() + 1);
    REQUIRE_FAILS(shop.Compose(), ErrorCode::kInvalidArgument, "two parts of node \"n1\"");
  }
}

TEST_CASE("sharded: an unsharded kind refuses shard scopes, and a single node saves everything") {
  Shop shop;
  Cluster cluster;
  BackupTask refused(
      cluster.On("n1"),
      {.settings = &cluster.Source("n1"), .scope = BackupScope::kShards, .compose = false});
  REQUIRE_FAILS(refused.Prepare(), ErrorCode::kUnsupported, "cannot save a node's own shards");

  BackupTask alone(shop.On("n1"), {.settings = shop.nodes.at("n1").FindSource("shop", "s")});
  REQUIRE_OK(alone.Prepare());
  REQUIRE_OK(alone.Cut());
  REQUIRE_OK(alone.Save());
  CHECK(HasData(alone.saved().scope));
  REQUIRE_OK(alone.Compose());
  CHECK(shop.Files() == shop.Everything({"n1"}));
}

}  // namespace
}  // namespace holdfast::jobs
