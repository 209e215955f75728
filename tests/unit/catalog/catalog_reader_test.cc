#include "controller/catalog/catalog_reader.h"

#include "tests/support/catch.h"
#include "tests/support/results.h"
#include "tests/unit/catalog/edit.h"

namespace holdfast::controller {
namespace {

using testing::Unwrap;
using Changes = std::vector<Change>;

// The last digits of the runs' names.
std::string NamesOf(CatalogReader& reader, const RunQuery& query) {
  std::string all;
  for (const RunRecord& run : Unwrap(reader.Runs(query))) all += run.run.back();
  return all;
}

TEST_CASE("catalog reader: runs are paged, newest first") {
  TempDir directory = Unwrap(TempDir::Create("catalog"));
  Catalog catalog = NewCatalog(directory);
  Changes changes;
  for (unsigned i = 0; i < 10; ++i) {
    changes.emplace_back(SomeRun(i, i < 6 ? RunState::kDone : RunState::kRunning));
  }
  REQUIRE_OK(catalog.Apply(changes));
  CatalogReader reader = ReaderOf(directory);
  auto names = [&](const RunQuery& query) { return NamesOf(reader, query); };
  REQUIRE(names({}) == "9876543210");
  REQUIRE(names({.limit = 3}) == "987");
  REQUIRE(names({.before = RunName(7), .limit = 3}) == "654");
  REQUIRE(names({.before = RunName(4)}) == "3210");
  REQUIRE(names({.limit = 0}) == "9");
  REQUIRE(Unwrap(reader.Run("nonsense")) == std::nullopt);
}

TEST_CASE("catalog reader: runs are filtered by source, node and state") {
  TempDir directory = Unwrap(TempDir::Create("catalog"));
  Catalog catalog = NewCatalog(directory);
  Changes changes;
  for (unsigned i = 0; i < 2'000; ++i) {
    changes.emplace_back(SomeRun(i, i == 3 ? RunState::kRunning : RunState::kDone));
    TaskRecord task = SomeTask(i, 0);
    if (i == 7) task.source = "files/app";
    if (i == 7) task.node = "web-1";
    changes.emplace_back(task);
  }
  SnapshotRecord reported = SomeSnapshot(9);
  reported.source = "files/old";
  reported.host = "web-2";
  reported.run = RunName(9);
  changes.emplace_back(reported);
  REQUIRE_OK(catalog.Apply(changes));
  CatalogReader reader = ReaderOf(directory);
  auto names = [&](const RunQuery& query) { return NamesOf(reader, query); };
  REQUIRE(names({.source = "files/app"}) == "7");
  REQUIRE(names({.source = "files/*"}) == "97");
  REQUIRE(names({.source = "files/app", .node = "web-*"}) == "7");
  REQUIRE(names({.source = "files/app", .node = "db-1"}).empty());
  REQUIRE(names({.source = "files/old", .node = "web-2"}) == "9");
  REQUIRE(names({.open_only = true}) == "3");
  REQUIRE(names({.open_only = true, .source = "files/app"}).empty());
  REQUIRE(names({.source = "*", .limit = 2}) == "98");
}

TEST_CASE("catalog reader: the last run of a source is the newest that has ended") {
  TempDir directory = Unwrap(TempDir::Create("catalog"));
  Catalog catalog = NewCatalog(directory);
  CatalogReader reader = ReaderOf(directory);
  auto local = [](unsigned run, const std::string& node, std::uint32_t number) {
    TaskRecord task = SomeTask(run, number);
    task.source = "files/app";
    task.topology = Topology::kLocal;
    task.node = node;
    return task;
  };
  REQUIRE_OK(catalog.Apply(
      Changes{SomeTask(1, 0), local(1, "a", 1), local(1, "b", 2), SomeRun(1, RunState::kRunning)}));
  REQUIRE(Unwrap(reader.LastRun("etcd/main", "")) == std::nullopt);

  REQUIRE_OK(catalog.Apply(Changes{SomeRun(1, RunState::kDone)}));
  REQUIRE_OK(catalog.Apply(Changes{local(3, "b", 0), SomeRun(3, RunState::kFailed)}));
  REQUIRE_OK(catalog.Apply(Changes{local(2, "b", 0), SomeRun(2, RunState::kDone)}));
  REQUIRE_OK(catalog.Apply(Changes{SomeTask(4, 0), SomeRun(4, RunState::kRunning)}));

  REQUIRE(Unwrap(reader.LastRun("etcd/main", "")) == RunName(1));
  REQUIRE(Unwrap(reader.LastRun("files/app", "a")) == RunName(1));
  REQUIRE(Unwrap(reader.LastRun("files/app", "b")) == RunName(3));
  REQUIRE(Unwrap(reader.LastRun("files/app", "c")) == std::nullopt);
  REQUIRE(Unwrap(reader.TasksOfSource(RunName(1), "files/app", "b")).size() == 1);
  REQUIRE(Unwrap(reader.TasksOfSource(RunName(1), "files/app", "")).size() == 2);
}

TEST_CASE("catalog reader: tasks come without their reports, which are read separately") {
  TempDir directory = Unwrap(TempDir::Create("catalog"));
  Catalog catalog = NewCatalog(directory);
  REQUIRE_OK(catalog.Apply(Changes{SomeRun(1), SomeTask(1, 0), SomeTask(1, 1), SomeTask(1, 2)}));
  CatalogReader reader = ReaderOf(directory);

  std::vector<TaskRecord> tasks = Unwrap(reader.Tasks(RunName(1), 1, 2));

  REQUIRE(tasks.size() == 2);
  REQUIRE(tasks.at(0).report.empty());
  tasks.at(0).report = Unwrap(reader.TaskReport(RunName(1), 1));
  REQUIRE(tasks.at(0) == SomeTask(1, 1));
  REQUIRE_FAILS(reader.TaskReport(RunName(1), 9), ErrorCode::kNotFound, "no task 9");
}

TEST_CASE("catalog reader: snapshots are found by each of their attributes") {
  TempDir directory = Unwrap(TempDir::Create("catalog"));
  Catalog catalog = NewCatalog(directory);
  Changes changes;
  for (unsigned i = 1; i <= 20; ++i) changes.emplace_back(SomeSnapshot(i));
  changes.emplace_back(SomeSnapshot(20, "other"));
  REQUIRE_OK(catalog.Apply(changes));
  CatalogReader reader = ReaderOf(directory);
  auto count = [&](const SnapshotQuery& query) { return Unwrap(reader.Snapshots(query)).size(); };

  REQUIRE(Unwrap(reader.Snapshots({.limit = 1})).at(0) == SomeSnapshot(20, "other"));
  REQUIRE(count({.limit = 100}) == 21);
  REQUIRE(count({.repository = "other"}) == 1);
  REQUIRE(count({.source = "files/app"}) == 10);
  REQUIRE(count({.source = "files/*"}) == 10);
  REQUIRE(count({.source = "*/[a-z]*"}) == 0);
  REQUIRE(count({.source = "*/main", .no_partial = true, .limit = 100}) == 8);
  REQUIRE(count({.host = "nobody"}) == 0);
  REQUIRE(count({.run = RunName(20)}) == 2);
  REQUIRE(count({.id_prefix = "00000014"}) == 2);
  REQUIRE(count({.id_prefix = "0000001"}) == 6);
  REQUIRE(count({.id_prefix = HexEncode(SomeSnapshot(3).snapshot)}) == 1);
  REQUIRE_FAILS(reader.Snapshots({.id_prefix = "xyz"}), ErrorCode::kInvalidArgument, "0-9 and a-f");
  REQUIRE_FAILS(reader.Snapshots({.id_prefix = std::string(65, '0')}), ErrorCode::kInvalidArgument,
                "longer");
}

TEST_CASE("catalog reader: safety and invalid snapshots are found only on request") {
  using Safety = SnapshotQuery::Safety;
  TempDir directory = Unwrap(TempDir::Create("catalog"));
  Catalog catalog = NewCatalog(directory);
  SnapshotRecord good = SomeSnapshot(1);
  SnapshotRecord invalid = SomeSnapshot(3);
  invalid.invalid = true;
  invalid.host = "other";
  SnapshotRecord safety = SomeSnapshot(5);
  safety.safety = true;
  REQUIRE_OK(catalog.Apply(Changes{good, invalid, safety}));
  CatalogReader reader = ReaderOf(directory);
  const auto found = [&](const SnapshotQuery& query) { return Unwrap(reader.Snapshots(query)); };

  CHECK(found({}) == std::vector{invalid, good});
  CHECK(found({.no_invalid = true}) == std::vector{good});
  CHECK(found({.safety = Safety::kOnly}) == std::vector{safety});
  CHECK(found({.safety = Safety::kToo}).size() == 3);
  CHECK(Unwrap(reader.SnapshotHosts({.source = "files/app"})) ==
        std::vector<std::string>{"other", "prod"});
  // An inventory adds marks to a snapshot and removes none.
  good.safety = good.invalid = true;
  REQUIRE_OK(catalog.Apply(Changes{RecoverSnapshot{good}}));
  invalid.invalid = false;
  REQUIRE_OK(catalog.Apply(Changes{RecoverSnapshot{invalid}}));
  CHECK(found({.safety = Safety::kOnly}).size() == 2);
  CHECK(found({.no_invalid = true}).empty());
}

TEST_CASE("catalog reader: pages of snapshots skip none and repeat none") {
  TempDir directory = Unwrap(TempDir::Create("catalog"));
  Catalog catalog = NewCatalog(directory);
  Changes changes;
  for (unsigned i = 1; i <= 20; ++i) changes.emplace_back(SomeSnapshot(i));
  REQUIRE_OK(catalog.Apply(changes));
  CatalogReader reader = ReaderOf(directory);

  std::vector<SnapshotRecord> all;
  SnapshotQuery query{.limit = 3};
  for (;;) {
    std::vector<SnapshotRecord> page = Unwrap(reader.Snapshots(query));
    if (page.empty()) break;
    all.insert(all.end(), page.begin(), page.end());
    query.follows =
        SnapshotCursor{page.back().time_ms, page.back().snapshot, page.back().repository};
  }

  REQUIRE(all == Unwrap(reader.Snapshots({.limit = 100})));
}

TEST_CASE("catalog reader: agents, drafts and the cluster are read") {
  TempDir directory = Unwrap(TempDir::Create("catalog"));
  Catalog catalog = NewCatalog(directory);
  REQUIRE_OK(catalog.Apply(Changes{SomeAgent("a"), SomeAgent("b"), SomeAgent("c"), SomeDraft(1),
                                   SomeDraft(2, DraftState::kSent), SomeDraft(3)}));
  CatalogReader reader = ReaderOf(directory);

  REQUIRE(Unwrap(reader.Cluster()) == SomeCluster());
  REQUIRE(Unwrap(reader.Agents("", 2)) == std::vector{SomeAgent("a"), SomeAgent("b")});
  REQUIRE(Unwrap(reader.Agents("b", 2)) == std::vector{SomeAgent("c")});
  REQUIRE(Unwrap(reader.Agent("c")) == SomeAgent("c"));
  REQUIRE(Unwrap(reader.Agent("x")) == std::nullopt);
  REQUIRE(Unwrap(reader.Drafts(true, "", 10)) == std::vector{SomeDraft(3), SomeDraft(1)});
  REQUIRE(Unwrap(reader.Drafts(false, RunName(3), 1)) ==
          std::vector{SomeDraft(2, DraftState::kSent)});
  REQUIRE(Unwrap(reader.Draft(RunName(2))) == SomeDraft(2, DraftState::kSent));
}

TEST_CASE("catalog reader: a page of large rows ends early, and the next continues") {
  TempDir directory = Unwrap(TempDir::Create("catalog"));
  Catalog catalog = NewCatalog(directory);
  Changes changes;
  for (unsigned i = 0; i < 12; ++i) {
    DraftRecord draft = SomeDraft(i);
    draft.payload.resize(1U << 20);
    changes.emplace_back(draft);
  }
  REQUIRE_OK(catalog.Apply(changes));
  CatalogReader reader = ReaderOf(directory);

  REQUIRE(Unwrap(reader.Drafts(true, "", 100)).size() == 4);
  REQUIRE(Unwrap(reader.Drafts(true, RunName(8), 100)).front().run == RunName(7));
}

TEST_CASE("catalog check: tampering is found") {
  TempDir directory = Unwrap(TempDir::Create("catalog"));
  Catalog catalog = NewCatalog(directory);
  Changes changes{SomeRun(1), SomeTask(1, 0)};
  for (int i = 0; i < 9; ++i) changes.emplace_back(SomeEntry());
  REQUIRE_OK(catalog.Apply(changes));
  CatalogReader reader = ReaderOf(directory);
  auto damage = [&] {
    std::string all;
    for (const std::string& line : Unwrap(reader.Check(CheckDepth::kQuick)).damage) {
      all += line + "\n";
    }
    return all;
  };
  REQUIRE(damage().empty());
  REQUIRE(Unwrap(reader.Check(CheckDepth::kFull)).audit_events == 10);

  Edit(directory, "UPDATE audit SET type = 'x' WHERE sequence = 2");
  REQUIRE(damage() == "audit event 2: its columns differ from its bytes\n");
  Edit(directory,
       "UPDATE audit SET type = 'run.requested' WHERE sequence = 2;"
       "DELETE FROM audit WHERE sequence IN (4, 5)");
  REQUIRE(damage() == "audit events 4 to 5 are missing\n");
  Edit(directory, "UPDATE audit SET bytes = CAST(bytes || x'00' AS BLOB) WHERE sequence = 7");
  REQUIRE_THAT(damage(), Catch::Contains("audit event 7: its leaf does not match its bytes\n"));
  Edit(directory, "PRAGMA foreign_keys = OFF; DELETE FROM run");
  REQUIRE_THAT(damage(), Catch::Contains("of \"task\" points to nothing in \"run\""));

  std::stop_source stop;
  stop.request_stop();
  REQUIRE_OK(reader.Check(CheckDepth::kQuick, stop.get_token()));  // too short to be stopped
}

TEST_CASE("catalog copy: the copy can be opened as a catalog") {
  TempDir directory = Unwrap(TempDir::Create("catalog"));
  TempDir other = Unwrap(TempDir::Create("catalog"));
  Catalog catalog = NewCatalog(directory);
  REQUIRE_OK(catalog.Apply(Changes{SomeAgent("db-1"), SomeRun(1), SomeTask(1, 0)}));

  REQUIRE_OK(ReaderOf(directory).Save(PathIn(other)));

  Catalog copy = Unwrap(Catalog::Open(PathIn(other), DatabaseMode::kWrite));
  REQUIRE(Unwrap(copy.Load()) == Unwrap(catalog.Load()));
  REQUIRE_OK(copy.Apply(Changes{SomeEntry()}));
  REQUIRE(Unwrap(ReaderOf(other).Check(CheckDepth::kFull)).damage.empty());
  REQUIRE_FAILS(ReaderOf(directory).Save(PathIn(other)), ErrorCode::kAlreadyExists,
                "already exists");
}

}  // namespace
}  // namespace holdfast::controller
