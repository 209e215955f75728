#include "controller/catalog/catalog.h"

#include "common/audit/event.h"
#include "controller/catalog/schema.h"
#include "tests/support/catch.h"
#include "tests/support/results.h"
#include "tests/unit/catalog/records.h"

namespace holdfast::controller {
namespace {

using testing::Unwrap;
using Changes = std::vector<Change>;

TEST_CASE("catalog: applied changes load unchanged, also after a restart") {
  TempDir directory = Unwrap(TempDir::Create("catalog"));
  Loaded expected{.cluster = SomeCluster(),
                  .agents = {SomeAgent("db-1"), SomeAgent("db-2")},
                  .runs = {SomeRun(1), SomeRun(2)},
                  .tasks = {SomeTask(1, 0), SomeTask(1, 1), SomeTask(2, 0)},
                  .plans = {SomePlan(1, 1), SomePlan(2, 1)},
                  .drafts = {SomeDraft(7)},
                  .tokens = {SomeToken("db-3")}};
  {
    Catalog catalog = NewCatalog(directory);
    Changes changes;
    auto add = [&](const auto& records) {
      changes.insert(changes.end(), records.begin(), records.end());
    };
    add(expected.tasks);  // before their run, which the same transaction adds
    add(expected.agents);
    add(expected.runs);
    add(expected.plans);
    add(expected.drafts);
    add(expected.tokens);
    REQUIRE_OK(catalog.Apply(changes));
    REQUIRE(Unwrap(catalog.Load()) == expected);
  }
  Catalog catalog = Unwrap(Catalog::Open(PathIn(directory), DatabaseMode::kWrite));
  REQUIRE(Unwrap(catalog.Load()) == expected);
  REQUIRE(catalog.audit_sequence() == 1);
}

TEST_CASE("catalog: a record replaces the one with its key, and everything that belongs to it") {
  TempDir directory = Unwrap(TempDir::Create("catalog"));
  Catalog catalog = NewCatalog(directory);
  REQUIRE_OK(catalog.Apply(Changes{SomeAgent("db-1"), SomeRun(1), SomeTask(1, 0), SomeDraft(7),
                                   SomePlan(1, 1), SomeToken("db-1")}));
  AgentRecord agent = SomeAgent("db-1");
  agent.sources = {{"kafka/main", "main", Topology::kSharded}};
  agent.repositories.clear();
  agent.healthy = {};
  agent.revoked = true;
  RunRecord run = SomeRun(1);
  run.selectors.clear();
  TaskRecord task = SomeTask(1, 0);
  task.error.reset();
  task.report.clear();
  task.plan_id.clear();
  DraftRecord draft = SomeDraft(7);
  draft.approvals.resize(1);

  REQUIRE_OK(catalog.Apply(Changes{agent, run, task, draft, SomePlan(1, 1), SomeToken("db-1")}));

  Loaded loaded = Unwrap(catalog.Load());
  REQUIRE(loaded.agents == std::vector{agent});
  REQUIRE(loaded.runs == std::vector{run});
  REQUIRE(loaded.tasks == std::vector{task});
  REQUIRE(loaded.drafts == std::vector{draft});
}

TEST_CASE("catalog: a task's scope survives storing and loading") {
  TempDir directory = Unwrap(TempDir::Create("catalog"));
  Catalog catalog = NewCatalog(directory);
  TaskRecord task = SomeTask(1, 0);
  task.scope = GENERATE(BackupScope::kOnlyPart, BackupScope::kWhole, BackupScope::kMember,
                        BackupScope::kLead, BackupScope::kShards, BackupScope::kRest,
                        BackupScope::kRestWithData);
  if (!IsSharded(task.scope)) task.topology = Topology::kReplicated;

  REQUIRE_OK(catalog.Apply(Changes{SomeRun(1), task}));

  REQUIRE(Unwrap(catalog.Load()).tasks == std::vector{task});
}

TEST_CASE("catalog: every root document is kept") {
  TempDir directory = Unwrap(TempDir::Create("catalog"));
  Catalog catalog = NewCatalog(directory);
  const RootRecord first{1, {1, 2}};
  const RootRecord second{2, {3}};

  REQUIRE_OK(catalog.Apply(Changes{second, first, second}));

  REQUIRE(Unwrap(catalog.Load()).roots == std::vector{first, second});
}

TEST_CASE("catalog: partial changes update their record") {
  TempDir directory = Unwrap(TempDir::Create("catalog"));
  Catalog catalog = NewCatalog(directory);
  REQUIRE_OK(catalog.Apply(
      Changes{SomeAgent("db-1"), SomeRun(1), SomePlan(1, 1), SomeToken("db-1"), SomeSnapshot(1)}));

  REQUIRE_OK(catalog.Apply(Changes{PlanAnswered{SomePlan(1, 1).plan_id, PlanState::kRefused},
                                   PlanSequence{"db-1", 77}, ReportCursor{"db-1", 5, Bytes(32, 9)},
                                   LastSeen{{{"db-1", 99}}}, RemoveToken{"db-1"},
                                   RemoveSnapshot{"main", SomeSnapshot(1).snapshot}}));

  Loaded loaded = Unwrap(catalog.Load());
  REQUIRE(loaded.plans.at(0).state == PlanState::kRefused);
  REQUIRE(loaded.agents.at(0).plan_sequence == 77);
  REQUIRE(loaded.agents.at(0).report_sequence == 5);
  REQUIRE(loaded.agents.at(0).report_hash == Bytes(32, 9));
  REQUIRE(loaded.agents.at(0).last_seen_ms == 99);
  REQUIRE(loaded.tokens.empty());
  REQUIRE(Unwrap(ReaderOf(directory).Snapshots({})).empty());
}

TEST_CASE("catalog: all changes of one call are applied or none, with their audit entries") {
  TempDir directory = Unwrap(TempDir::Create("catalog"));
  Catalog catalog = NewCatalog(directory);
  Loaded before = Unwrap(catalog.Load());

  for (const Change& wrong :
       Changes{PlanAnswered{Bytes(16, 1), PlanState::kAccepted}, PlanSequence{"nobody", 1},
               ReportCursor{"nobody", 1, Bytes(32, 0)}, LastSeen{{{"nobody", 1}}}}) {
    REQUIRE_FAILS(catalog.Apply(Changes{SomeRun(1), SomeEntry(RunName(1)), wrong}),
                  ErrorCode::kInternal, "the catalog has no ");
  }
  // A task without its run fails at the commit.
  REQUIRE_FAILS(catalog.Apply(Changes{SomeEntry(), SomeTask(1, 0)}), ErrorCode::kInternal,
                "FOREIGN KEY");
  RunRecord impossible = SomeRun(1);
  impossible.state = static_cast<RunState>(0);
  REQUIRE_FAILS(catalog.Apply(Changes{SomeEntry(), impossible}), ErrorCode::kInternal, "CHECK");

  REQUIRE(Unwrap(catalog.Load()) == before);
  REQUIRE(catalog.audit_sequence() == 1);
  REQUIRE_OK(catalog.Apply(Changes{SomeRun(1), SomeEntry(RunName(1))}));
  REQUIRE(catalog.audit_sequence() == 2);
  REQUIRE(Unwrap(ReaderOf(directory).Check(CheckDepth::kFull)).damage.empty());
}

TEST_CASE("catalog: finished runs are not loaded") {
  TempDir directory = Unwrap(TempDir::Create("catalog"));
  Catalog catalog = NewCatalog(directory);
  RunRecord ended = SomeRun(3, RunState::kDone);
  ended.closed = false;  // its end has not been delivered yet
  REQUIRE_OK(catalog.Apply(Changes{SomeRun(1, RunState::kFailed), SomeTask(1, 0), SomePlan(1, 1),
                                   SomeRun(2), ended, SomeDraft(7, DraftState::kSent),
                                   SomeDraft(8, DraftState::kDenied)}));

  Loaded loaded = Unwrap(catalog.Load());

  REQUIRE(loaded.runs == std::vector{SomeRun(2), ended});
  REQUIRE((loaded.tasks.empty() && loaded.plans.empty() && loaded.drafts.empty()));
}

TEST_CASE("catalog: it belongs to one cluster") {
  TempDir directory = Unwrap(TempDir::Create("catalog"));
  Catalog catalog = Unwrap(Catalog::Open(PathIn(directory), DatabaseMode::kCreate));
  REQUIRE_FALSE(Unwrap(catalog.Load()).cluster);
  REQUIRE_FAILS(catalog.Apply(Changes{SomeEntry()}), ErrorCode::kInternal, "before its cluster");
  REQUIRE_OK(catalog.Apply(Changes{SomeCluster()}));
  ClusterRecord later = SomeCluster();
  later.root_version = 9;
  REQUIRE_OK(catalog.Apply(Changes{later}));
  REQUIRE(Unwrap(catalog.Load()).cluster == later);
  later.cluster_id = "another";

  REQUIRE_FAILS(catalog.Apply(Changes{later}), ErrorCode::kInvalidArgument, "and not to");
  REQUIRE_OK(catalog.Apply(Changes{SomeEntry()}));
  Database reader = Unwrap(Database::Open(CatalogOptions(PathIn(directory)), DatabaseMode::kRead));
  Statement row = Unwrap(reader.Query("SELECT bytes, leaf FROM audit"));
  Bytes bytes;
  crypto::Digest leaf{};
  REQUIRE(Unwrap(row.Next()));
  REQUIRE_OK(row.Read(bytes, leaf));
  REQUIRE(leaf == AuditLeaf(bytes));
  const AuditEvent event = Unwrap(DecodeAuditEvent(bytes));
  REQUIRE((event.origin == SomeCluster().cluster_id && event.sequence == 1));
  REQUIRE((event.facts == SomeEntry().facts && event.evidence == SomeEntry().evidence));
}

TEST_CASE("catalog: recovered records never replace known ones") {
  TempDir directory = Unwrap(TempDir::Create("catalog"));
  Catalog catalog = NewCatalog(directory);
  REQUIRE_OK(catalog.Apply(Changes{SomeRun(1), SomeSnapshot(1)}));
  RunRecord run = SomeRun(1);
  run.reason = "another";
  SnapshotRecord snapshot = SomeSnapshot(1);
  snapshot.note = "another";
  SnapshotRecord known = SomeSnapshot(3);
  known.position.clear();
  known.note.clear();
  known.items = 0;
  known.files = 0;

  REQUIRE_OK(catalog.Apply(Changes{RecoverRun{run}, RecoverSnapshot{snapshot},
                                   RecoverRun{SomeRun(2)}, RecoverSnapshot{SomeSnapshot(2)},
                                   RecoverSnapshot{known}, RecoverSnapshot{SomeSnapshot(3)}}));

  CatalogReader reader = ReaderOf(directory);
  REQUIRE(Unwrap(reader.Run(RunName(1))) == SomeRun(1));
  REQUIRE(Unwrap(reader.Run(RunName(2))) == SomeRun(2));
  REQUIRE(Unwrap(reader.Snapshots({})) ==
          std::vector{SomeSnapshot(3), SomeSnapshot(2), SomeSnapshot(1)});
}

TEST_CASE("catalog: a run known only from reports has the worst of their states") {
  TempDir directory = Unwrap(TempDir::Create("catalog"));
  Catalog catalog = NewCatalog(directory);
  RunRecord run{.run = RunName(1), .state = RunState::kDone, .closed = true};
  RunRecord partly = run;
  partly.state = RunState::kPartlyDone;

  REQUIRE_OK(catalog.Apply(
      Changes{SomeRun(2, RunState::kDone), RecoverRun{run}, RecoverRun{partly}, RecoverRun{run}}));

  REQUIRE(Unwrap(ReaderOf(directory).Run(RunName(1)))->state == RunState::kPartlyDone);
  partly.run = RunName(2);
  REQUIRE_OK(catalog.Apply(Changes{RecoverRun{partly}}));
  REQUIRE(Unwrap(ReaderOf(directory).Run(RunName(2)))->state == RunState::kDone);
}

TEST_CASE("catalog: an inventory removes missing snapshots, but none added while it ran") {
  TempDir directory = Unwrap(TempDir::Create("catalog"));
  Catalog catalog = NewCatalog(directory);
  SnapshotRecord late = SomeSnapshot(4);
  late.recorded_ms = SomeSnapshot(1).recorded_ms + 10;
  late.time_ms = 0;  // whatever the node's clock says
  REQUIRE_OK(catalog.Apply(
      Changes{SomeSnapshot(1), SomeSnapshot(2), SomeSnapshot(3), late, SomeSnapshot(5, "other")}));

  REQUIRE_OK(catalog.Apply(Changes{InventoryEnded{
      "main", late.recorded_ms, {SomeSnapshot(1).snapshot, SomeSnapshot(3).snapshot}}}));

  std::vector<SnapshotRecord> left = Unwrap(ReaderOf(directory).Snapshots({}));
  REQUIRE(left == std::vector{SomeSnapshot(5, "other"), SomeSnapshot(3), SomeSnapshot(1), late});
}

}  // namespace
}  // namespace holdfast::controller
