// Faults of the environment that a catalog meets, and the errors that the operator sees.
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <unistd.h>

#include <chrono>

#include "common/base/clock.h"
#include "common/io/fd.h"
#include "tests/support/catch.h"
#include "tests/support/child_process.h"
#include "tests/support/results.h"
#include "tests/unit/catalog/edit.h"

namespace holdfast::controller {
namespace {

using testing::ChildOutcome;
using testing::RunInChild;
using testing::Unwrap;
using Changes = std::vector<Change>;

Changes Step(unsigned run) { return {SomeRun(run), SomeTask(run, 0), SomeEntry(RunName(run))}; }

// Applies steps until one fails. Returns the error, or what is wrong with the stored steps.
std::string FillUp(const std::string& path) {
  Result<Catalog> catalog = Catalog::Open(path, DatabaseMode::kCreate);
  if (!catalog) return catalog.error().Text();
  if (!catalog->Apply(Changes{SomeCluster()})) return "no cluster";
  unsigned applied = 0;
  Result<void> outcome;
  while ((outcome = catalog->Apply(Step(applied)))) ++applied;
  Result<Loaded> loaded = catalog->Load();
  if (!loaded || loaded->runs.size() != applied || loaded->tasks.size() != applied ||
      catalog->audit_sequence() != applied) {
    return "something was lost";
  }
  Result<CatalogReader> reader = CatalogReader::Open(path);
  if (!reader) return reader.error().Text();
  Result<CatalogCheck> check = reader->Check(CheckDepth::kFull);
  if (!check || !check->damage.empty()) return "damaged";
  return std::string(ErrorCodeName(outcome.error().code())) + ": " + outcome.error().Text();
}

TEST_CASE("catalog: a full disk fails the step, and earlier steps stay") {
  TempDir directory = Unwrap(TempDir::Create("catalog"));
  ChildOutcome outcome = RunInChild([&]() -> std::string {
    const char* where = directory.path().c_str();
    bool is_mounted = ::geteuid() == 0 && ::unshare(CLONE_NEWNS) == 0 &&
                      ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
                      ::mount("tmpfs", where, "tmpfs", 0, "size=1m") == 0;
    rlimit limit{700'000, 700'000};
    ::signal(SIGXFSZ, SIG_IGN);
    if (!is_mounted && ::setrlimit(RLIMIT_FSIZE, &limit) != 0) return "no limit";
    return FillUp(PathIn(directory));
  });
  REQUIRE_THAT(outcome.said, Catch::StartsWith("no_space: catalog \"" + PathIn(directory)));
  REQUIRE_THAT(outcome.said, Catch::Contains("the change was not recorded"));
}

TEST_CASE("catalog: opening it twice names the controller that holds it") {
  TempDir directory = Unwrap(TempDir::Create("catalog"));
  Catalog catalog = NewCatalog(directory);
  REQUIRE_FAILS(Catalog::Open(PathIn(directory), DatabaseMode::kWrite), ErrorCode::kBusy,
                "held by holdfast-controller (process ");
}

TEST_CASE("catalog: tables of a newer release are refused") {
  TempDir directory = Unwrap(TempDir::Create("catalog"));
  { (void)NewCatalog(directory); }
  Edit(directory, "PRAGMA user_version = 99");

  REQUIRE_FAILS(Catalog::Open(PathIn(directory), DatabaseMode::kWrite), ErrorCode::kUnsupported,
                "has schema version 99, but this program supports 5");
  REQUIRE_FAILS(CatalogReader::Open(PathIn(directory)), ErrorCode::kUnsupported,
                "use the program that wrote it");
}

// Reverts the catalog to schema `version` (1 to 3).
void Downgrade(const TempDir& directory, int version) {
  std::string sql;
  if (version < 3) sql += "DROP TABLE source_run; DROP INDEX task_by_source; ";
  if (version < 2) sql += "ALTER TABLE task DROP COLUMN rest; ";
  for (const char* column : {"invalid", "safety", "files"})
    sql += fmt::format("ALTER TABLE snapshot DROP COLUMN {}; ", column);
  Edit(directory, sql + fmt::format("PRAGMA user_version = {}", version));
}

TEST_CASE("catalog: tasks from before sharded sources have no rest") {
  TempDir directory = Unwrap(TempDir::Create("catalog"));
  TaskRecord task = SomeTask(1, 0);
  {
    Catalog catalog = NewCatalog(directory);
    REQUIRE_OK(catalog.Apply(std::vector<Change>{SomeRun(1), task}));
  }
  Downgrade(directory, 1);

  Catalog catalog = Unwrap(Catalog::Open(PathIn(directory), DatabaseMode::kWrite));

  task.scope = BackupScope::kLead;
  REQUIRE(Unwrap(catalog.Load()).tasks == std::vector{task});
}

TEST_CASE("catalog: an older catalog gets the last run of each source from its runs") {
  TempDir directory = Unwrap(TempDir::Create("catalog"));
  {
    Catalog catalog = NewCatalog(directory);
    REQUIRE_OK(catalog.Apply(std::vector<Change>{SomeTask(1, 0), SomeRun(1, RunState::kDone),
                                                 SomeTask(2, 0), SomeRun(2, RunState::kFailed),
                                                 SomeTask(3, 0), SomeRun(3, RunState::kRunning)}));
  }
  Downgrade(directory, 2);
  { (void)Unwrap(Catalog::Open(PathIn(directory), DatabaseMode::kWrite)); }

  CatalogReader reader = Unwrap(CatalogReader::Open(PathIn(directory)));

  REQUIRE(Unwrap(reader.LastRun("etcd/main", "")) == RunName(2));
}

TEST_CASE("catalog: snapshots of an older catalog count as valid backups") {
  TempDir directory = Unwrap(TempDir::Create("catalog"));
  {
    Catalog catalog = NewCatalog(directory);
    REQUIRE_OK(catalog.Apply(std::vector<Change>{SomeSnapshot(1)}));
  }
  Downgrade(directory, 3);
  { (void)Unwrap(Catalog::Open(PathIn(directory), DatabaseMode::kWrite)); }

  CatalogReader reader = Unwrap(CatalogReader::Open(PathIn(directory)));

  SnapshotRecord snapshot = SomeSnapshot(1);
  snapshot.files = 0;  // not known
  REQUIRE(Unwrap(reader.Snapshots({})) == std::vector{snapshot});
}

TEST_CASE("catalog: the error of a damaged page hints at a rebuild") {
  TempDir directory = Unwrap(TempDir::Create("catalog"));
  {
    Catalog catalog = NewCatalog(directory);
    for (unsigned i = 0; i < 50; ++i) REQUIRE_OK(catalog.Apply(Step(i)));
  }
  {
    Fd file = Unwrap(OpenFile(PathIn(directory), O_RDWR));
    Bytes noise(4096, 0xee);
    for (off_t page = 35; page < 60; ++page) {  // after the schema
      REQUIRE(::pwrite(file.get(), noise.data(), noise.size(), page * 4096) == 4096);
    }
  }
  auto open_and_load = [&]() -> Result<Loaded> {
    HF_ASSIGN(Catalog catalog, Catalog::Open(PathIn(directory), DatabaseMode::kWrite));
    return catalog.Load();
  };
  REQUIRE_FAILS(open_and_load(), ErrorCode::kCorrupt, "is damaged");
  REQUIRE_FAILS(open_and_load(), ErrorCode::kCorrupt, "holdfast catalog rebuild");
  CatalogReader reader = ReaderOf(directory);
  REQUIRE_FALSE(Unwrap(reader.Check(CheckDepth::kQuick)).damage.empty());
  REQUIRE_FAILS(reader.Save(PathIn(directory) + ".copy"), ErrorCode::kCorrupt, "is damaged");
}

TEST_CASE("catalog: after a kill at the commit, a step is stored completely or not at all") {
  for (std::string_view where : {"before", "after"}) {
    TempDir directory = Unwrap(TempDir::Create("catalog"));
    ChildOutcome outcome = RunInChild([&]() -> std::string {
      Result<Catalog> catalog = Catalog::Open(PathIn(directory), DatabaseMode::kCreate);
      if (!catalog || !catalog->Apply(Changes{SomeCluster()})) return "failed";
      if (!catalog->Apply(Step(1))) return "failed";
      if (where == "before") {
        // The changes are made but not committed, as after a kill in the middle.
        Changes changes = Step(2);
        AuditEntry last = SomeEntry();
        last.evidence.resize(20'000'000);  // more than the cache holds
        changes.emplace_back(last);
        changes.emplace_back(PlanSequence{"nobody", 1});
        (void)catalog->Apply(changes);
      } else if (!catalog->Apply(Step(2))) {
        return "failed";
      }
      (void)::raise(SIGKILL);
      return "survived";
    });
    REQUIRE(outcome.was_killed());

    Catalog catalog = Unwrap(Catalog::Open(PathIn(directory), DatabaseMode::kWrite));
    std::size_t expected = where == "before" ? 1 : 2;
    Loaded loaded = Unwrap(catalog.Load());
    REQUIRE((loaded.runs.size() == expected && loaded.tasks.size() == expected));
    REQUIRE(catalog.audit_sequence() == expected);
    REQUIRE(Unwrap(ReaderOf(directory).Check(CheckDepth::kFull)).damage.empty());
  }
}

TEST_CASE("catalog: a file that is not a catalog is refused") {
  TempDir directory = Unwrap(TempDir::Create("catalog"));
  REQUIRE_FAILS(Catalog::Open(PathIn(directory), DatabaseMode::kWrite), ErrorCode::kNotFound,
                "open catalog");
  REQUIRE_OK(WriteFileAtomic(PathIn(directory), Bytes(9000, 'x'), 0600));
  REQUIRE_FAILS(Catalog::Open(PathIn(directory), DatabaseMode::kCreate), ErrorCode::kCorrupt,
                "is not a database");
}

// Measurements, on demand: catalog_test "[bench]".
TEST_CASE("catalog bench: commits, and opening with a long history", "[.][bench]") {
  TempDir directory = Unwrap(TempDir::Create("catalog"));
  Catalog catalog = NewCatalog(directory);
  auto seconds = [](auto&& work) {
    SystemClock clock;
    Instant begin = clock.Monotonic();
    work();
    return std::chrono::duration<double>(clock.Monotonic() - begin).count();
  };
  unsigned run = 0;
  double single = seconds([&] {
    for (; run < 1'000; ++run) REQUIRE_OK(catalog.Apply(Step(run)));
  });
  double grouped = seconds([&] {
    for (; run < 100'000;) {
      Changes changes;
      for (unsigned end = run + 100; run < end; ++run) {
        RunRecord record = SomeRun(run, RunState::kDone);
        changes.emplace_back(record);
        changes.emplace_back(SomeTask(run, 0));
        changes.emplace_back(SomePlan(run, 1));
        changes.emplace_back(SomeEntry(record.run));
      }
      REQUIRE_OK(catalog.Apply(changes));
    }
  });
  Loaded loaded;
  double load = seconds([&] { loaded = Unwrap(catalog.Load()); });
  CatalogReader reader = ReaderOf(directory);
  double page = seconds([&] { (void)Unwrap(reader.Runs({.limit = 20})); });
  double check = seconds([&] { (void)Unwrap(reader.Check(CheckDepth::kFull)); });
  double copy = seconds([&] { REQUIRE_OK(reader.Save(PathIn(directory) + ".copy")); });
  WARN(
      fmt::format("single steps {:.0f}/s, grouped by 100 {:.0f}/s; with {} runs: load of {} live "
                  "{:.1f} ms, a page {:.2f} ms, full check {:.2f} s, checked copy {:.2f} s",
                  1'000 / single, 99'000 / grouped, run, loaded.runs.size(), load * 1e3, page * 1e3,
                  check, copy));
}

}  // namespace
}  // namespace holdfast::controller
