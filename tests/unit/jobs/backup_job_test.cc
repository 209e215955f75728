#include "agent/jobs/backup/backup_job.h"

#include <string>

#include "agent/jobs/maintenance/check_job.h"
#include "agent/jobs/session/snapshot_finder.h"
#include "agent/journal/restore_journal.h"
#include "common/base/version.h"
#include "tests/support/catch.h"
#include "tests/unit/jobs/jobs_fixture.h"

namespace holdfast::jobs {
namespace {

using testing::RequireError;
using testing::Unwrap;

Error Broken(ErrorCode code = ErrorCode::kUnavailable) { return Error(code, "it is broken"); }

TEST_CASE("backup job: each source becomes one snapshot with its metadata") {
  JobsFixture fixture;
  JobContext context = fixture.Context();

  BackupReport report = RunBackup(context, fixture.AllSources(), "before the upgrade");

  REQUIRE(report.tasks.size() == 2);
  const BackupTaskReport& task = report.tasks[0];
  INFO((task.error ? task.error->Text() : ""));
  REQUIRE(task.state == TaskOutcome::kDone);
  REQUIRE(task.manifest.position.at("revision") == "7");
  REQUIRE(task.manifest.note == "before the upgrade");
  REQUIRE(task.manifest.run == context.run);
  REQUIRE(task.manifest.holdfast_version == Version());
  REQUIRE(task.manifest.holdfast_commit == Commit());
  REQUIRE(task.bytes_read == 9);
  for (const char* phase : {"open", "prepare", "cut", "save", "compose", "verify"}) {
    REQUIRE(task.seconds.contains(phase));
  }
  auto listing = ListRepositories(context, fixture.AllRepositories(), "fake/one");
  REQUIRE(listing.at(0).snapshots.size() == 1);
  const repository::SnapshotInfo& snapshot = listing[0].snapshots[0];
  REQUIRE(snapshot.id.Hex() == task.snapshot);
  REQUIRE(snapshot.host == "n1");
  REQUIRE(snapshot.paths == std::vector<std::string>{"/fake/one"});
  REQUIRE(snapshot.tags ==
          std::vector<std::string>{"run:" + context.run, "kind:fake", "note:before the upgrade"});
}

TEST_CASE("backup job: locks are released, in the repository and on the node") {
  JobsFixture fixture;
  (void)fixture.BackUpAll();

  REQUIRE(fixture.CountFiles("memory:main", FileKind::kLock) == 0);
  REQUIRE(fixture.BackUpAll().tasks[0].state == TaskOutcome::kDone);
}

TEST_CASE("backup job: a rival lock found by the second check stops the job before any write") {
  JobsFixture fixture;
  JobContext context = fixture.Context();
  const FileName rival = fixture.AddRivalTo(context);

  const BackupReport report = RunBackup(context, fixture.AllSources(), "");
  for (const BackupTaskReport& task : report.tasks) {
    REQUIRE(task.error.has_value());
    CHECK(task.error->code() == ErrorCode::kBusy);
    CHECK_THAT(task.error->message(),
               Catch::Contains("\"main\"") && Catch::Contains("eve@elsewhere"));
  }
  Unwrap(fixture.storages["memory:main"].Remove(rival));
  const auto checks = RunCheck(context, {fixture.AllRepositories().at(0)}, {}, {});
  REQUIRE(checks.at(0).error.has_value());
  CHECK(checks[0].error->code() == ErrorCode::kBusy);
  CHECK(fixture.CountFiles("memory:main", FileKind::kPack) == 0);
  CHECK(fixture.CountFiles("memory:main", FileKind::kSnapshot) == 0);
  CHECK(fixture.CountFiles("memory:main", FileKind::kLock) == 1);
}

TEST_CASE("backup job: a second backup has the first as parent and adds nothing") {
  JobsFixture fixture;
  BackupReport first = fixture.BackUpAll();
  fixture.clock.Advance(std::chrono::hours(1));

  BackupReport second = fixture.BackUpAll();

  REQUIRE(second.tasks[0].parent == first.tasks[0].snapshot);
  REQUIRE(second.tasks[0].counts.items == first.tasks[0].counts.items);
}

TEST_CASE("backup job: a failed source does not affect the others") {
  JobsFixture fixture;
  int prepared = 0;
  fixture.world.on = [&](const std::string& step) {
    if (step != "prepare") return;
    fixture.world.failures.clear();
    if (prepared++ == 0) fixture.world.failures.emplace("prepare", Broken());
  };

  BackupReport report = fixture.BackUpAll();

  REQUIRE(report.tasks[0].state == TaskOutcome::kFailed);
  REQUIRE_FALSE(report.tasks[0].began);
  REQUIRE(report.tasks[0].snapshot.empty());
  REQUIRE(report.tasks[1].state == TaskOutcome::kDone);
}

TEST_CASE("backup job: a failure in any step leaves no snapshot and no lock") {
  for (const char* step : {"open", "open backup", "prepare", "cut", "next", "finish"}) {
    JobsFixture fixture;
    fixture.world.failures.emplace(step, Broken());

    BackupReport report = fixture.BackUpAll();

    INFO(step);
    REQUIRE(report.tasks[0].state == TaskOutcome::kFailed);
    REQUIRE(report.tasks[0].error->code() == ErrorCode::kUnavailable);
    REQUIRE(report.tasks[0].began ==
            (std::string(step) == "next" || std::string(step) == "finish"));
    REQUIRE(fixture.CountFiles("memory:main", FileKind::kSnapshot) == 0);
    REQUIRE(fixture.CountFiles("memory:main", FileKind::kLock) == 0);
  }
}

TEST_CASE("backup job: an unreadable item is left out and named, and the snapshot is partial") {
  JobsFixture fixture;
  fixture.world.unreadable.emplace("data/a", Error(ErrorCode::kDenied, "permission denied"));

  const BackupTaskReport task = fixture.BackUpOne();

  REQUIRE(task.state == TaskOutcome::kPartlyDone);
  REQUIRE(task.manifest.missing.at(0).what == "data/a");
  auto listing = ListRepositories(fixture.Context(), fixture.AllRepositories(), "");
  REQUIRE(listing.at(0).snapshots.at(0).is_partial);
}

TEST_CASE("backup job: a stop leaves nothing visible and starts nothing else") {
  JobsFixture fixture;
  std::stop_source stop;
  fixture.world.on = [&](const std::string& step) {
    if (step == "next") stop.request_stop();
  };

  BackupReport report = RunBackup(fixture.Context(stop.get_token()), fixture.AllSources(), "");

  REQUIRE(report.tasks[0].state == TaskOutcome::kCancelled);
  REQUIRE(report.tasks[1].state == TaskOutcome::kCancelled);
  REQUIRE(fixture.CountFiles("memory:main", FileKind::kSnapshot) == 0);
  REQUIRE(std::ranges::count(fixture.world.steps, "prepare") == 1);
}

TEST_CASE("backup job: a stop ends the reading of a file of any size") {
  JobsFixture fixture;
  fixture.world.live["data/a"] = "endless";
  std::stop_source stop;
  fixture.world.on = [&](const std::string& step) {
    if (step == "read") stop.request_stop();
  };

  BackupReport report = RunBackup(fixture.Context(stop.get_token()), {fixture.AllSources()[0]}, "");

  REQUIRE(report.tasks[0].state == TaskOutcome::kCancelled);
  REQUIRE(report.tasks[0].error->message() == "stopped by request");
  REQUIRE(std::ranges::count(fixture.world.steps, "read") == 1);
  REQUIRE(fixture.CountFiles("memory:main", FileKind::kSnapshot) == 0);
}

TEST_CASE("backup job: a busy source is refused, and its holder named") {
  JobsFixture fixture;
  JobContext holder = fixture.Context();
  auto held = Unwrap(SourceSession::Open(holder, *fixture.AllSources()[0], "restore"));

  const BackupTaskReport task = fixture.BackUpOne();

  REQUIRE(task.state == TaskOutcome::kRefused);
  REQUIRE(task.error->code() == ErrorCode::kBusy);
  REQUIRE_THAT(task.error->message(),
               Catch::Contains("lock source \"fake/one\": held by holdfast-agent restore, pid ") &&
                   Catch::Contains(holder.run));
}

TEST_CASE("backup job: an interrupted restore is recovered before anything else") {
  JobsFixture fixture;
  fixture.InterruptRestore("swapping");

  const BackupTaskReport task = fixture.BackUpOne();

  REQUIRE(fixture.world.steps.at(0) == "open");
  REQUIRE(fixture.world.steps.at(1) == "recover swapping");
  REQUIRE_THAT(task.recovered, Catch::Contains("snapshot abcdef01 (run R): undone"));
  REQUIRE_FALSE(Unwrap(ReadRestoreJournal(fixture.settings.state_dir, "fake", "one")));
}

TEST_CASE("backup job: a source that cannot be recovered is not saved") {
  JobsFixture fixture;
  fixture.world.failures.emplace("recover s", Broken(ErrorCode::kDenied));
  fixture.InterruptRestore("s");

  const BackupTaskReport task = fixture.BackUpOne();

  REQUIRE(task.error);
  REQUIRE(fixture.CountFiles("memory:main", FileKind::kSnapshot) == 0);
  REQUIRE(Unwrap(ReadRestoreJournal(fixture.settings.state_dir, "fake", "one")));
}

TEST_CASE("backup job: a wrong password fails each source of the repository") {
  JobsFixture fixture;
  REQUIRE_OK(WriteFileAtomic(fixture.directory.path() + "/password", AsBytes("wrong"), 0600));

  BackupReport report = fixture.BackUpAll();

  for (const BackupTaskReport& task : report.tasks) {
    RequireError(task.error, ErrorCode::kDenied, "open repository \"main\"");
  }
}

TEST_CASE("backup job: a missing password file names the line of its setting") {
  JobsFixture fixture;
  REQUIRE_OK(RemoveTree(fixture.directory.path() + "/password"));

  BackupReport report = fixture.BackUpAll();

  RequireError(report.tasks[0].error, ErrorCode::kInvalidArgument,
               "agent.yaml:4:45: password file");
}

}  // namespace
}  // namespace holdfast::jobs
