#include "agent/daemon/restore_progress.h"

#include "agent/daemon/spool_launcher.h"
#include "agent/daemon/state_paths.h"
#include "agent/journal/helper_directory.h"
#include "common/io/atomic_file.h"
#include "common/io/fd.h"
#include "proto/holdfast/v1/plan.pb.h"
#include "tests/support/catch.h"
#include "tests/support/manual_clock.h"
#include "tests/support/results.h"

namespace holdfast::agent {
namespace {

using testing::Unwrap;

TEST_CASE("job progress: a nested subject counts until it ends") {
  Progress restore;
  restore.SetPhase("stage");
  Progress safety;
  safety.SetPhase("save");
  JobProgress progress;
  CHECK_FALSE(progress.Look({}));

  progress.Begin("restore latest:files/app", restore);
  CHECK(progress.Look({})->phase == "stage");
  progress.Begin("files/app-before-restore", safety);
  CHECK(progress.Look({})->phase == "save");
  progress.End("files/app-before-restore");
  CHECK(progress.Look({})->phase == "stage");
  progress.End("restore latest:files/app");
  CHECK_FALSE(progress.Look({}));
}

TEST_CASE("restore progress: the agent reads what the helper has written") {
  const TempDir directory = Unwrap(TempDir::Create("progress"));
  const std::string path = directory.path() + "/x.progress";
  CHECK_FALSE(ReadRestoreProgress(path));
  Progress restore;
  restore.SetPhase("extract");
  restore.items = 3;
  restore.bytes = 5;
  restore.bytes_total = 100;
  {
    RestoreProgressWriter writer(path);
    writer.Begin("restore latest:files/app", restore);
    writer.End("restore latest:files/app");
  }

  const auto read = ReadRestoreProgress(path);

  REQUIRE(read.has_value());
  CHECK(read->phase == "extract");
  CHECK(read->items == 3);
  CHECK(read->bytes == 5);
  CHECK(read->bytes_total == 100);
  CHECK(read->key.plan_id.empty());
}

TEST_CASE("restore launcher: progress is passed on while the helper works") {
  const TempDir directory = Unwrap(TempDir::Create("launcher"));
  AgentSettings settings;
  settings.state_dir = directory.path() + "/agent";
  settings.file = directory.path() + "/agent.yaml";
  const testing::ManualClock clock;
  const auto launcher = Unwrap(OpenSpoolLauncher(settings, clock));
  const Bytes plan_id(16, 7);
  REQUIRE_OK(MakeDirectories(HelperDirectory(settings.state_dir), 0755));
  Progress restore;
  restore.SetPhase("extract");
  restore.bytes = 5;
  RestoreProgressWriter writer(ProgressPath(settings.state_dir, plan_id));
  writer.Begin("restore", restore);

  std::vector<event::TaskProgress> progresses;
  const auto outcome = launcher->Run(plan_id, {}, {}, false, {}, [&](event::TaskProgress progress) {
    progresses.push_back(std::move(progress));
    // The outcome ends the wait.
    v1::Report report;
    report.mutable_restored()->set_items(4);
    Unwrap(WriteFileAtomic(OutcomePath(settings.state_dir, plan_id),
                           AsBytes(report.SerializeAsString()), 0644));
  });

  REQUIRE_OK(outcome);
  CHECK_FALSE(outcome->failure.has_value());
  REQUIRE(progresses.size() == 1);
  CHECK(progresses[0].phase == "extract");
  CHECK(progresses[0].bytes == 5);
}

}  // namespace
}  // namespace holdfast::agent
