#include "controller/daemon/snapshot_names.h"

#include "tests/support/catch.h"
#include "tests/support/results.h"
#include "tests/unit/catalog/records.h"

namespace holdfast::controller {
namespace {

using testing::Unwrap;

// A catalog to which each test adds records.
struct NamesFixture {
  void Add(std::vector<Change> changes) { REQUIRE_OK(catalog.Apply(changes)); }

  void AddAgent(const std::string& node, std::vector<ConfiguredSource> sources,
                bool revoked = false) {
    AgentRecord agent = SomeAgent(node);
    agent.sources = std::move(sources);
    agent.revoked = revoked;
    Add({agent});
  }

  // The snapshot's id begins with `digits`.
  SnapshotRecord AddSnapshot(const std::string& digits, const std::string& source,
                             const std::string& host, const std::string& repository) {
    SnapshotRecord snapshot = SomeSnapshot(1, repository);
    snapshot.snapshot = Unwrap(HexDecode(digits + std::string(64 - digits.size(), '0')));
    snapshot.source = source;
    snapshot.host = host;
    snapshot.time_ms = 1'700'000'000'000 + 1'000 * ++count;
    snapshot.partial = false;
    snapshot.missing_count = 0;
    Add({snapshot});
    return snapshot;
  }

  Result<std::string> Find(std::string_view name, const std::string& node = "") {
    HF_ASSIGN(const NamedSnapshot found, FindSnapshot(reader, name, {.node = node}));
    return HexEncode(found.snapshot.snapshot).substr(0, 8);
  }

  TempDir directory = Unwrap(TempDir::Create("names"));
  Catalog catalog = NewCatalog(directory);
  CatalogReader reader = ReaderOf(directory);
  int count = 0;
};

TEST_CASE("snapshot names: latest is looked up in the repository of the source") {
  NamesFixture fixture;
  fixture.AddAgent("web-1", {{"files/app", "main", Topology::kLocal}});
  fixture.AddAgent("web-2", {{"files/app", "near", Topology::kLocal}});
  fixture.AddSnapshot("aa", "files/app", "web-1", "main");
  fixture.AddSnapshot("bb", "files/app", "web-2", "near");
  fixture.AddSnapshot("cc", "files/app", "web-1", "offsite");
  fixture.AddSnapshot("dd", "files/app", "web-2", "main");

  CHECK(Unwrap(fixture.Find("latest:files/app@web-1")) == "aa000000");
  CHECK(Unwrap(fixture.Find("latest:files/app@web-2")) == "bb000000");
  CHECK(Unwrap(fixture.Find("latest:files/app", "web-2")) == "bb000000");
  // Others are found by id.
  CHECK(Unwrap(fixture.Find("cc00")) == "cc000000");

  fixture.AddAgent("web-1", {{"files/app", "new", Topology::kLocal}});
  REQUIRE_FAILS(fixture.Find("latest:files/app@web-1"), ErrorCode::kNotFound,
                "in its repository \"new\"");
  REQUIRE_FAILS(fixture.Find("latest:files/app@web-1"), ErrorCode::kNotFound,
                "`holdfast snapshot list files/app`");
}

TEST_CASE("snapshot names: latest of a source without a node must be in one repository only") {
  NamesFixture fixture;
  fixture.AddSnapshot("aa", "files/app", "web-1", "main");
  CHECK(Unwrap(fixture.Find("latest:files/app")) == "aa000000");
  fixture.AddSnapshot("bb", "files/app", "web-1", "offsite");
  REQUIRE_FAILS(fixture.Find("latest:files/app"), ErrorCode::kInvalidArgument, "main, offsite");
  // A revoked node: its last configuration counts.
  fixture.AddAgent("web-1", {{"files/app", "main", Topology::kLocal}}, true);
  CHECK(Unwrap(fixture.Find("latest:files/app")) == "aa000000");
}

TEST_CASE(
    "snapshot names: members of a replicated source that disagree on its repository are an error") {
  NamesFixture fixture;
  for (const auto& [node, repository] : {std::pair("db-1", "main"), std::pair("db-2", "near")}) {
    fixture.AddAgent(node, {{"etcd/main", repository, Topology::kReplicated}});
  }
  fixture.AddSnapshot("aa", "etcd/main", "prod", "main");
  fixture.AddSnapshot("bb", "etcd/main", "prod", "near");

  REQUIRE_FAILS(fixture.Find("latest:etcd/main"), ErrorCode::kInvalidArgument, "main, near");
  CHECK(Unwrap(fixture.Find("latest:etcd/main", "db-1")) == "aa000000");
  fixture.AddAgent("db-2", {{"etcd/main", "main", Topology::kReplicated}});
  CHECK(Unwrap(fixture.Find("latest:etcd/main")) == "aa000000");
}

TEST_CASE("snapshot names: a mistyped id, source or node gets a suggestion") {
  NamesFixture fixture;
  fixture.AddAgent("web-1", {{"files/app", "main", Topology::kLocal}});
  fixture.AddSnapshot("3fa2b1c4", "files/app", "web-1", "main");
  fixture.AddSnapshot("3fa2ffff", "files/app", "web-1", "main");
  fixture.AddSnapshot("99", "kafka/old", "web-1", "main");
  const auto fails = [&](std::string_view name, const std::string& part) {
    INFO(name);
    REQUIRE_FAILS(fixture.Find(name), ErrorCode::kNotFound, part);
  };
  fails("3fa2b1d4", "did you mean \"3fa2b1c4\"?");
  fails("3fab21c4", "did you mean \"3fa2b1c4\"?");
  fails("3fa2b1d4" + std::string(56, '0'), "`holdfast snapshot list`");
  fails("latest:flies/app", "did you mean \"latest:files/app\"?");
  fails("latest:kafka/odl", "did you mean \"latest:kafka/old\"?");
  REQUIRE_FAILS(fixture.Find("latest:files/app", "wbe-1"), ErrorCode::kNotFound,
                "did you mean \"web-1\"?");
  // Each with its source and time.
  REQUIRE_FAILS(fixture.Find("3fa2"), ErrorCode::kInvalidArgument,
                "3fa2b1c40000 of files/app@web-1 at 2023-11-14T22:13:21Z in main");
}

TEST_CASE("snapshot names: runs and drafts are found by their beginning or end") {
  NamesFixture fixture;
  std::vector<Change> changes;
  for (unsigned number = 1; number <= 20; ++number) {
    changes.emplace_back(SomeRun(number, RunState::kDone));
    changes.emplace_back(
        SomeDraft(number, number == 17 ? DraftState::kOpen : DraftState::kExpired));
  }
  fixture.Add(changes);

  CHECK(Unwrap(FindRun(fixture.reader, RunName(7))) == RunName(7));
  CHECK(Unwrap(FindRun(fixture.reader, "000017")) == RunName(17));
  CHECK(Unwrap(FindRun(fixture.reader, RunName(17).substr(0, 25) + "7")) == RunName(17));
  REQUIRE_FAILS(FindRun(fixture.reader, "01j"), ErrorCode::kInvalidArgument,
                RunName(20) + " (backup, done, 2023-11-14T22:13:20Z)");
  REQUIRE_FAILS(FindRun(fixture.reader, "01j"), ErrorCode::kInvalidArgument, "more than 5 runs");
  REQUIRE_FAILS(FindRun(fixture.reader, "00018x"), ErrorCode::kNotFound, "holdfast run list");
  REQUIRE_FAILS(FindRun(fixture.reader, ""), ErrorCode::kNotFound, "");
  const std::string typo = "01K" + RunName(12).substr(3);
  REQUIRE_FAILS(FindRun(fixture.reader, typo), ErrorCode::kNotFound,
                "did you mean \"" + RunName(12) + "\"?");

  fixture.AddSnapshot("aa", "files/app", "web-1", "main");
  CHECK(Unwrap(fixture.Find("run:" + RunName(1) + ":files/app")) == "aa000000");
  CHECK(Unwrap(fixture.Find("run:000001:files/app")) == "aa000000");
  REQUIRE_FAILS(fixture.Find("run:01J:files/app"), ErrorCode::kInvalidArgument, "runs");

  // Only one draft is open.
  CHECK(Unwrap(FindDraft(fixture.reader, "01J")).run == RunName(17));
  CHECK(Unwrap(FindDraft(fixture.reader, "00012")).run == RunName(12));
  REQUIRE_FAILS(FindDraft(fixture.reader, typo), ErrorCode::kNotFound,
                "did you mean \"" + RunName(12) + "\"?");
  fixture.Add({SomeDraft(18, DraftState::kOpen)});
  REQUIRE_FAILS(FindDraft(fixture.reader, "01J"), ErrorCode::kInvalidArgument,
                RunName(18) + " (etcd/main on db-1, 1970-01-01T00:00:00Z), " + RunName(17));
}

TEST_CASE("snapshot names: a filter names a source that is configured or has snapshots") {
  NamesFixture fixture;
  fixture.AddAgent("web-1", {{"files/app", "main", Topology::kLocal}});
  fixture.AddSnapshot("aa", "kafka/old", "mq-1", "main");
  const auto check = [&](const std::string& source, const std::string& node) {
    return CheckSourceKnown(fixture.reader, source, node);
  };

  for (const auto& [source, node] :
       {std::pair("files/app", ""), std::pair("files/*", "web-*"), std::pair("kafka/old", "mq-1"),
        std::pair("*/*", "mq-*"), std::pair("*", "")}) {
    INFO(source);
    REQUIRE_OK(check(source, node));
  }
  REQUIRE_FAILS(check("files/apb", ""), ErrorCode::kNotFound, "did you mean \"files/app\"?");
  REQUIRE_FAILS(check("kafka/odl", ""), ErrorCode::kNotFound, "did you mean \"kafka/old\"?");
  REQUIRE_FAILS(check("files/app", "wbe-1"), ErrorCode::kNotFound,
                "did you mean \"files/app@web-1\"?");
  REQUIRE_FAILS(check("etcd/*", ""), ErrorCode::kNotFound, "holdfast status");
}

}  // namespace
}  // namespace holdfast::controller
