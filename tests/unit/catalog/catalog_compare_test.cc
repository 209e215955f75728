#include "controller/catalog/catalog_compare.h"

#include "tests/support/catch.h"
#include "tests/support/results.h"
#include "tests/unit/catalog/records.h"

namespace holdfast::controller {
namespace {

using testing::Unwrap;
using Changes = std::vector<Change>;

// What an inventory, made from the repository alone, knows about a snapshot.
SnapshotRecord AsInventoried(SnapshotRecord snapshot) {
  snapshot.node.clear();
  snapshot.recorded_ms += 1;
  snapshot.missing_count = 0;
  snapshot.cut_barrier_met = false;
  snapshot.position.clear();
  return snapshot;
}

// What an agent's old report says about its run.
RunRecord AsReported(const RunRecord& run) {
  RunRecord reported;
  reported.run = run.run;
  reported.kind = run.kind;
  reported.created_ms = run.created_ms;
  reported.ended_ms = run.ended_ms + 5;
  reported.closed = true;
  return reported;
}

CatalogDifference Compare(const TempDir& before, const TempDir& after) {
  CatalogReader old_catalog = ReaderOf(before);
  CatalogReader new_catalog = ReaderOf(after);
  return Unwrap(CompareCatalogs(old_catalog, new_catalog));
}

// Requires that nothing missing can be recovered from elsewhere.
void RequireNothingToRestore(const CatalogDifference& difference) {
  for (const Recovery source :
       {Recovery::kRepositories, Recovery::kReports, Recovery::kAgents, Recovery::kFiles}) {
    INFO(RecoveryName(source));
    REQUIRE(difference.count(source) == 0);
  }
}

TEST_CASE("catalog compare: catalogs with the same content do not differ") {
  TempDir one = Unwrap(TempDir::Create("catalog"));
  TempDir two = Unwrap(TempDir::Create("catalog"));
  Changes changes{SomeAgent("a"), SomeAgent("aa"), SomeRun(1),      SomeTask(1, 0), SomePlan(1, 1),
                  SomeDraft(7),   SomeToken("x"),  SomeSnapshot(1), SomeSnapshot(2)};
  REQUIRE_OK(NewCatalog(one).Apply(changes));
  REQUIRE_OK(NewCatalog(two).Apply(changes));

  const CatalogDifference difference = Compare(one, two);

  REQUIRE(difference.first.empty());
  REQUIRE(difference.counts == std::array<std::uint64_t, kRecoveries>{});
}

TEST_CASE(
    "catalog compare: differing rows and columns are named, with the source that restores them") {
  TempDir one = Unwrap(TempDir::Create("catalog"));
  TempDir two = Unwrap(TempDir::Create("catalog"));
  SnapshotRecord changed = SomeSnapshot(2);
  changed.host = "elsewhere";
  changed.recorded_ms = 1;
  changed.position = {{"revision", "18"}};
  REQUIRE_OK(NewCatalog(one).Apply(Changes{SomeAgent("a"), SomeSnapshot(1), SomeSnapshot(2)}));
  REQUIRE_OK(NewCatalog(two).Apply(Changes{SomeAgent("a"), SomeAgent("aa"), changed}));

  const CatalogDifference difference = Compare(one, two);

  std::string all;
  for (const Difference& row : difference.first) {
    if (row.table == "agent_source" || row.table == "agent_repository" ||
        row.table == "agent_health") {
      continue;
    }
    all += fmt::format("{} {} {}: {} -> {} ({})\n", row.table, row.key.substr(0, 18), row.column,
                       row.before, row.after, RecoveryName(row.recovery));
  }
  REQUIRE(all ==
          "agent 'aa' :  -> there (newer)\n"
          "snapshot 'main' X'000000010 : there ->  (repositories)\n"
          "snapshot 'main' X'000000020 host: 'prod' -> 'elsewhere' (repositories)\n"
          "snapshot 'main' X'000000020 position: '{\"raft_term\":\"2\",\"revision\":\"17\"}' -> "
          "'{\"revision\":\"18\"}' (reports)\n"
          "snapshot 'main' X'000000020 recorded_ms: 1700000000500 -> 1 (nothing)\n");
  REQUIRE(difference.count(Recovery::kRepositories) == 2);
}

TEST_CASE("catalog compare: a rebuilt catalog misses only what never left the controller") {
  TempDir lost = Unwrap(TempDir::Create("catalog"));
  TempDir made = Unwrap(TempDir::Create("catalog"));
  std::vector<SnapshotRecord> snapshots;
  for (unsigned i = 1; i <= 30; ++i) {
    snapshots.push_back(SomeSnapshot(i));
    snapshots.back().bytes = i;
  }
  {
    Catalog catalog = NewCatalog(lost);
    Changes changes{SomeAgent("db-1"), SomeDraft(40), SomeToken("db-9")};
    for (const SnapshotRecord& snapshot : snapshots) changes.emplace_back(snapshot);
    for (unsigned i = 1; i <= 30; ++i) {
      changes.emplace_back(SomeRun(i, RunState::kDone));
      changes.emplace_back(SomeTask(i, 0));
      changes.emplace_back(SomePlan(i, 1));
      changes.emplace_back(SomeEntry(RunName(i)));
    }
    REQUIRE_OK(catalog.Apply(changes));
  }
  {
    Catalog catalog = NewCatalog(made);
    Changes changes;
    // Inventories and reports arrive in any order, and twice.
    for (std::size_t i = 0; i < snapshots.size(); ++i) {
      if (i % 3 == 0) changes.emplace_back(RecoverSnapshot{AsInventoried(snapshots[i])});
      SnapshotRecord reported = snapshots[i];
      reported.recorded_ms += 7;
      changes.emplace_back(reported);
      changes.emplace_back(RecoverSnapshot{AsInventoried(snapshots[i])});
    }
    for (unsigned i = 1; i <= 30; ++i) {
      changes.emplace_back(RecoverRun{AsReported(SomeRun(i, RunState::kDone))});
    }
    AgentRecord agent = SomeAgent("db-1");
    agent.last_seen_ms += 1;
    agent.plan_sequence = 0;
    changes.emplace_back(agent);
    REQUIRE_OK(catalog.Apply(changes));
  }

  const CatalogDifference difference = Compare(lost, made);

  RequireNothingToRestore(difference);
  REQUIRE(difference.count(Recovery::kNothing) > 30);
}

TEST_CASE("catalog compare: repositories alone restore every snapshot") {
  TempDir lost = Unwrap(TempDir::Create("catalog"));
  TempDir made = Unwrap(TempDir::Create("catalog"));
  REQUIRE_OK(NewCatalog(lost).Apply(Changes{SomeSnapshot(1), SomeSnapshot(2)}));
  REQUIRE_OK(NewCatalog(made).Apply(Changes{RecoverSnapshot{AsInventoried(SomeSnapshot(1))},
                                            RecoverSnapshot{AsInventoried(SomeSnapshot(2))}}));

  const CatalogDifference difference = Compare(lost, made);

  REQUIRE(difference.count(Recovery::kRepositories) == 0);
  REQUIRE(difference.count(Recovery::kReports) == 8);
}

TEST_CASE("catalog compare: data without a living source is lost, newer data is not") {
  TempDir lost = Unwrap(TempDir::Create("catalog"));
  TempDir made = Unwrap(TempDir::Create("catalog"));
  AgentRecord received = SomeAgent("db-1");
  received.report_sequence = 7;
  AgentRecord revoked = SomeAgent("db-2");
  revoked.revoked = true;
  revoked.report_sequence = 5;
  SnapshotRecord of_revoked = SomeSnapshot(2);
  of_revoked.node = "db-2";
  REQUIRE_OK(NewCatalog(lost).Apply(Changes{
      received, revoked, of_revoked, SomeRun(2, RunState::kDone), SomeRun(4, RunState::kFailed)}));
  received.report_sequence = 8;
  received.report_hash = Bytes(32, 9);
  received.plan_sequence += 1;
  revoked.version.clear();
  revoked.sources.clear();
  revoked.repositories.clear();
  revoked.healthy.clear();
  revoked.report_sequence = 0;
  revoked.report_hash.clear();
  REQUIRE_OK(NewCatalog(made).Apply(
      Changes{received, revoked, RecoverSnapshot{AsInventoried(of_revoked)}, SomeRun(9)}));

  const CatalogDifference difference = Compare(lost, made);

  RequireNothingToRestore(difference);
  REQUIRE(difference.count(Recovery::kNewer) == 4);
  REQUIRE(difference.tallies.at({"run", "", Recovery::kNothing}) == 2);
  REQUIRE(difference.tallies.at({"run", "", Recovery::kNewer}) == 1);
  REQUIRE(difference.tallies.at({"agent_source", "", Recovery::kNothing}) == 2);
}

}  // namespace
}  // namespace holdfast::controller
