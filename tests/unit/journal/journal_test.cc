#include "agent/journal/journal.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <string>
#include <vector>

#include "common/base/clock.h"
#include "common/base/format.h"
#include "common/io/atomic_file.h"
#include "common/io/fd.h"
#include "tests/support/catch.h"
#include "tests/support/child_process.h"
#include "tests/support/results.h"

namespace holdfast::agent {
namespace {

using testing::ChildOutcome;
using testing::RunInChild;
using testing::Unwrap;
using Changes = std::vector<Change>;

std::string PathIn(const TempDir& directory) { return directory.path() + "/journal.db"; }

IdentityRecord SomeIdentity() {
  return {.cluster_id = "01HZX3V4J9M8QW7E5R2T1Y0PAS",
          .cluster = "prod",
          .node = "db-1",
          .incarnation = 2,
          .root_version = 3,
          .root = {1, 2, 3},
          .epoch = 4,
          .t_max_ms = 5,
          .report_sequence = 6,
          .report_hash = Bytes(32, 7)};
}

PlanRecord SomePlan(std::uint8_t number) {
  return {.plan_id = Bytes(16, number),
          .key_id = Bytes(32, 1),
          .sequence = ~std::uint64_t{0} - number,  // a thief may use up all sequence numbers
          .hash = Bytes(32, number),
          .kind = OrderKind::kBackup,
          .state = PlanState::kAccepted,
          .run = "01J00000000000000000000000",
          .accepted_ms = 1,
          .expires_ms = 2,
          .envelope = Bytes(100, number)};
}

TaskRecord SomeTask(std::uint8_t plan, std::uint32_t task) {
  return {
      .plan_id = Bytes(16, plan), .task = task, .state = TaskState::kSaved, .report_sequence = 3};
}

UncomposedPartRecord SomePart(std::uint8_t plan, std::uint32_t task) {
  return {.plan_id = Bytes(16, plan),
          .task = task,
          .run = "01J00000000000000000000000",
          .source = "etcd/main",
          .repository = "main",
          .part = Bytes(50, 9),
          .expires_ms = 4};
}

SealedRecord SomeSealed(const std::string& source) {
  return {.run = "01J00000000000000000000000",
          .source = source,
          .repository = "main",
          .snapshot = Bytes(32, 8),
          .sealed = Bytes(500, 1),
          .composed = Bytes(60, 2),
          .expires_ms = 5};
}

ReportRecord SomeReport(std::uint64_t sequence, std::int64_t time_ms = 0) {
  return {.sequence = sequence,
          .plan_id = sequence % 2 == 0 ? Bytes() : Bytes(16, 1),
          .task = 1,
          .time_ms = time_ms,
          .hash = Bytes(32, 2),
          .envelope = Bytes(1000, 3)};
}

Journal NewJournal(const TempDir& directory) {
  Journal journal = Unwrap(Journal::Open(PathIn(directory), DatabaseMode::kCreate));
  REQUIRE_OK(journal.Apply(Changes{SomeIdentity()}));
  return journal;
}

TEST_CASE("journal: applied changes load unchanged, also after a restart") {
  TempDir directory = Unwrap(TempDir::Create("journal"));
  Loaded expected{.identity = SomeIdentity(),
                  .floors = {{Bytes(32, 1), ~std::uint64_t{0}}, {Bytes(32, 2), 5}},
                  .plans = {SomePlan(1), SomePlan(2)},
                  .tasks = {SomeTask(1, 0), SomeTask(1, 1)},
                  .parts = {SomePart(1, 0)},
                  .sealed = {SomeSealed("etcd/main"), SomeSealed("kafka/main")},
                  .ended_runs = {{"01J00000000000000000000000", true, 7}},
                  .reports_taken = 2,
                  .reports_oldest = 1,
                  .reports = {SomeReport(3), SomeReport(4)}};
  {
    Journal journal = NewJournal(directory);
    Changes changes{ReportsTaken{1}, ReportsTaken{2}};
    auto add = [&](const auto& records) {
      changes.insert(changes.end(), records.begin(), records.end());
    };
    for (std::uint64_t i = 1; i <= 4; ++i) changes.emplace_back(SomeReport(i));
    add(expected.floors);
    add(expected.plans);
    add(expected.tasks);
    add(expected.parts);
    add(expected.sealed);
    add(expected.ended_runs);
    REQUIRE_OK(journal.Apply(changes));
    REQUIRE(Unwrap(journal.Load()) == expected);
  }
  Journal journal = Unwrap(Journal::Open(PathIn(directory), DatabaseMode::kWrite));
  REQUIRE(Unwrap(journal.Load()) == expected);
  REQUIRE(Unwrap(journal.Check()).empty());
}

TEST_CASE("journal: forgotten records are removed, with everything that belongs to them") {
  TempDir directory = Unwrap(TempDir::Create("journal"));
  Journal journal = NewJournal(directory);
  IdentityRecord identity = SomeIdentity();
  identity.epoch = 9;
  REQUIRE_OK(journal.Apply(Changes{identity, SomePlan(1), SomePlan(2), SomeTask(1, 0),
                                   SomeTask(2, 0), SomePart(1, 0), SomePart(2, 0), SomePart(2, 1),
                                   SomeSealed("a/b"), SomeSealed("c/d"),
                                   EndedRunRecord{"x", false, 1}, EndedRunRecord{"y", false, 1},
                                   SomeReport(1), SomeReport(2, 10), SomeReport(3)}));

  REQUIRE_OK(journal.Apply(Changes{FloorRecord{Bytes(32, 1), 5}, ForgetPlan{SomePlan(1).plan_id},
                                   RemovePart{SomePlan(2).plan_id, 0},
                                   RemoveSealed{SomeSealed("a/b").run, "a/b", "main"},
                                   ForgetRun{"x"}, ReportsTaken{2}, ForgetReports{10}}));

  REQUIRE(Unwrap(journal.Load()) == Loaded{.identity = identity,
                                           .floors = {{Bytes(32, 1), 5}},
                                           .plans = {SomePlan(2)},
                                           .tasks = {SomeTask(2, 0)},
                                           .parts = {SomePart(2, 1)},
                                           .sealed = {SomeSealed("c/d")},
                                           .ended_runs = {{"y", false, 1}},
                                           .reports_taken = 2,
                                           .reports_oldest = 2,
                                           .reports = {SomeReport(3)}});
}

TEST_CASE("journal: kept reports are read in bounded pieces") {
  TempDir directory = Unwrap(TempDir::Create("journal"));
  Journal journal = NewJournal(directory);
  Changes changes{ReportsTaken{10}};
  for (std::uint64_t i = 3; i <= 10; ++i) changes.emplace_back(SomeReport(i));
  REQUIRE_OK(journal.Apply(changes));
  auto sequences = [&](std::uint64_t first, std::uint32_t limit, std::uint64_t bytes) {
    std::vector<std::uint64_t> all;
    for (const ReportRecord& report : Unwrap(journal.Reports(first, limit, bytes))) {
      all.push_back(report.sequence);
    }
    return all;
  };
  using Numbers = std::vector<std::uint64_t>;
  REQUIRE(sequences(1, 3, 1 << 20) == Numbers{3, 4, 5});
  REQUIRE(sequences(8, 100, 2'500) == Numbers{8, 9});
  REQUIRE(sequences(8, 100, 1) == Numbers{8});
  REQUIRE(sequences(11, 100, 1).empty());
}

TEST_CASE("journal: old reports are removed once taken, without leaving gaps") {
  TempDir directory = Unwrap(TempDir::Create("journal"));
  Journal journal = NewJournal(directory);
  Changes changes{ReportsTaken{4}};
  // The fourth was made while the clock was wrong.
  for (std::uint64_t i = 1; i <= 6; ++i) {
    changes.emplace_back(SomeReport(i, i == 4 ? 0 : static_cast<std::int64_t>(i)));
  }
  REQUIRE_OK(journal.Apply(changes));
  auto oldest_after = [&](std::int64_t before_ms) {
    REQUIRE_OK(journal.Apply(Changes{ForgetReports{before_ms}}));
    return Unwrap(journal.Load()).reports_oldest;
  };
  REQUIRE(oldest_after(1) == 1);
  REQUIRE(oldest_after(2) == 2);
  REQUIRE(oldest_after(3) == 3);
  REQUIRE(oldest_after(1'000) == 5);
  REQUIRE(Unwrap(journal.Load()).reports == std::vector{SomeReport(5, 5), SomeReport(6, 6)});
}

TEST_CASE("journal: a node that has not joined learns how to join") {
  TempDir directory = Unwrap(TempDir::Create("journal"));
  REQUIRE_FAILS(Journal::Open(PathIn(directory), DatabaseMode::kWrite), ErrorCode::kNotFound,
                "open journal");
  Journal journal = Unwrap(Journal::Open(PathIn(directory), DatabaseMode::kCreate));
  REQUIRE_FAILS(journal.Load(), ErrorCode::kNotFound, "holdfast agent token NODE");
}

TEST_CASE("journal: only one agent can open it") {
  TempDir directory = Unwrap(TempDir::Create("journal"));
  Journal journal = NewJournal(directory);
  REQUIRE_FAILS(Journal::Open(PathIn(directory), DatabaseMode::kWrite), ErrorCode::kBusy,
                "held by holdfast-agent (process ");
}

TEST_CASE("journal: a damaged journal is refused, and an old copy is advised against") {
  TempDir directory = Unwrap(TempDir::Create("journal"));
  REQUIRE_OK(WriteFileAtomic(PathIn(directory), Bytes(9000, 'x'), 0600));
  REQUIRE_FAILS(Journal::Open(PathIn(directory), DatabaseMode::kCreate), ErrorCode::kCorrupt,
                "join the cluster again");
}

TEST_CASE("journal: without space a step is not applied") {
  TempDir directory = Unwrap(TempDir::Create("journal"));
  ChildOutcome outcome = RunInChild([&]() -> std::string {
    Result<Journal> journal = Journal::Open(PathIn(directory), DatabaseMode::kCreate);
    rlimit limit{300'000, 300'000};
    ::signal(SIGXFSZ, SIG_IGN);
    if (!journal || ::setrlimit(RLIMIT_FSIZE, &limit) != 0) return "no limit";
    if (!journal->Apply(Changes{SomeIdentity()})) return "failed";
    std::uint64_t applied = 0;
    Result<void> made;
    while ((made = journal->Apply(Changes{SomeReport(applied + 1), SomePart(1, 0)}))) ++applied;
    Result<Loaded> loaded = journal->Load();
    if (!loaded || loaded->reports.size() != applied) return "something was lost";
    return std::string(ErrorCodeName(made.error().code()));
  });
  REQUIRE(outcome.said == "no_space");
}

TEST_CASE("journal: after a kill between two steps, the first is stored completely") {
  TempDir directory = Unwrap(TempDir::Create("journal"));
  ChildOutcome outcome = RunInChild([&]() -> std::string {
    Result<Journal> journal = Journal::Open(PathIn(directory), DatabaseMode::kCreate);
    if (!journal || !journal->Apply(Changes{SomeIdentity()})) return "failed";
    if (!journal->Apply(Changes{SomePlan(1), SomeReport(1), SomeTask(1, 0)})) return "failed";
    (void)::raise(SIGKILL);
    return "survived";
  });
  REQUIRE(outcome.was_killed());

  Loaded loaded = Unwrap(Unwrap(Journal::Open(PathIn(directory), DatabaseMode::kWrite)).Load());
  REQUIRE(loaded.plans == std::vector{SomePlan(1)});
  REQUIRE(loaded.tasks == std::vector{SomeTask(1, 0)});
  REQUIRE(loaded.reports == std::vector{SomeReport(1)});
}

// Measurements, on demand: journal_test "[bench]".
TEST_CASE("journal bench: accepted plans per second", "[.][bench]") {
  TempDir directory = Unwrap(TempDir::Create("journal"));
  Journal journal = NewJournal(directory);
  SystemClock clock;
  Instant begin = clock.Monotonic();
  for (std::uint64_t i = 0; i < 500; ++i) {
    PlanRecord plan = SomePlan(1);
    plan.plan_id[0] = static_cast<std::uint8_t>(i);
    plan.plan_id[1] = static_cast<std::uint8_t>(i >> 8);
    REQUIRE_OK(journal.Apply(Changes{plan, SomeReport(i + 1)}));
  }
  double seconds = std::chrono::duration<double>(clock.Monotonic() - begin).count();
  WARN(fmt::format("{:.0f} steps a second, each a sync", 500 / seconds));
}

}  // namespace
}  // namespace holdfast::agent
