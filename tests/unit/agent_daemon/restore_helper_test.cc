#include "agent/daemon/restore_helper.h"

#include <sys/stat.h>

#include <filesystem>
#include <string>
#include <vector>

#include "agent/daemon/state_paths.h"
#include "agent/jobs/session/job_context.h"
#include "agent/journal/helper_directory.h"
#include "agent/journal/plan_log.h"
#include "agent/journal/restore_journal.h"
#include "agent/sources/registry/all_sources.h"
#include "common/base/format.h"
#include "common/filetree/swap_set.h"
#include "common/io/atomic_file.h"
#include "common/io/fd.h"
#include "proto/holdfast/v1/agent.pb.h"
#include "tests/support/catch.h"
#include "tests/support/file_trees.h"
#include "tests/support/manual_clock.h"
#include "tests/support/results.h"
#include "tests/unit/trust/plan_scene.h"

namespace holdfast::agent {
namespace {

using namespace holdfast::testing;  // NOLINT

// A node whose restore helper was killed after it had accepted an order to restore in place.
struct KilledHelper {
  KilledHelper() {
    WriteText(live, "old");
    WriteText(directory.path() + "/policy.yaml", "restore: in-place\n");
    plan.mutable_restore()->set_source("files/app");
    plan.mutable_restore()->set_repository("other");
    const Bytes envelope = scene.WithAnnaAndBen(plan);
    const trust::CheckedPlan checked = scene.Check(envelope);
    REQUIRE_FALSE(checked.refusal);
    REQUIRE_OK(SaveHelperIdentity(settings, plan.node(), plan.incarnation(),
                                  scene.fixture.Root(scene.document).envelope()));
    PlanLog log = Unwrap(PlanLog::Open(HelperDirectory(settings.state_dir) + "/plans.db"));
    REQUIRE_OK(log.Accept({.controller_key = checked.controller_key,
                           .plan_id = plan.plan_id(),
                           .sequence = plan.sequence(),
                           .hash = *checked.hash,
                           .expires_at_ms = plan.expires_at_ms()}));
    v1::RestoreTicket ticket;
    ticket.set_plan(std::string(AsText(envelope)));
    REQUIRE_OK(MakeDirectories(RestoresDirectory(settings.state_dir)));
    Order(ticket);
  }

  // The agent gives the helper this ticket for the plan.
  void Order(const v1::RestoreTicket& ticket) {
    REQUIRE_OK(WriteFileAtomic(PlanPath(settings.state_dir, AsBytes(plan.plan_id())),
                               AsBytes(ticket.SerializeAsString()), 0640));
  }

  // Replaces the live file as a restore of `run` does, and leaves its journal.
  void Swap(const std::string& run, bool is_committed) {
    RestoreJournal journal(settings.state_dir, {.run = run,
                                                .kind = "files",
                                                .name = "app",
                                                .snapshot = std::string(64, 'a'),
                                                .begin = clock.Now(),
                                                .state = ""});
    filetree::SwapSet set([&journal](std::string_view state) { return journal.Record(state); });
    const std::string staged = Unwrap(set.StagingPath(live, "RUN"));
    REQUIRE_OK(set.BeginStaging());
    WriteText(staged, "new");
    REQUIRE_OK(set.Swap());
    if (is_committed) REQUIRE_OK(set.Commit());
  }
  // Runs the helper as if the agent had given it the order again, and returns the reported failure.
  v1::Failure RunAgain() {
    REQUIRE_OK(RunRestoreHelper(settings, kinds, {}, random, clock));
    const Bytes bytes =
        Unwrap(ReadWholeFile(OutcomePath(settings.state_dir, AsBytes(plan.plan_id()))));
    v1::Report report;
    REQUIRE(report.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())));
    REQUIRE(report.has_failed());
    return report.failed();
  }

  TempDir directory = Unwrap(TempDir::Create("helper"));
  std::string live = directory.path() + "/live";
  std::vector<SourceKind> kinds = {*FindSourceKind("files")};
  AgentSettings settings =
      Unwrap(ParseSettings(fmt::format("node: db-1\nstate_dir: agent\n"
                                       "repositories:\n"
                                       "  other: {{url: 'memory:other', password_file: p}}\n"
                                       "sources:\n"
                                       "  - {{kind: files, name: app, paths: ['{}']}}\n",
                                       live),
                           directory.path() + "/agent.yaml", {}, jobs::SchemasOf(kinds)));
  PlanScene scene;
  v1::Plan plan = scene.RestoreInPlace();
  ManualClock clock;
  SeededRandom random;
};

TEST_CASE("restore helper: the report says whether a killed restore was finished or undone") {
  const bool is_committed = GENERATE(false, true);
  KilledHelper helper;
  helper.Swap(helper.plan.run(), is_committed);

  const v1::Failure failed = helper.RunAgain();

  CHECK(ReadText(helper.live) == (is_committed ? "new" : "old"));
  CHECK(failed.began());
  CHECK(failed.rolled_back() == !is_committed);
  CHECK_THAT(failed.message(),
             Catch::Contains(is_committed ? "finished the restore of" : "undid the restore of"));
  CHECK_THAT(failed.hint(),
             Catch::Contains(is_committed ? "do not order the restore again" : "inspect"));
}

TEST_CASE("restore helper: without a journal of its restore, the helper claims no outcome") {
  KilledHelper helper;
  const bool is_finished = GENERATE(false, true);
  if (is_finished) WriteText(helper.live, "new");
  const bool is_followed = GENERATE(false, true);  // by another restore, which was also killed
  if (is_followed) helper.Swap("01HF8888888888888888888888", false);

  const v1::Failure failed = helper.RunAgain();

  CHECK(ReadText(helper.live) == (is_finished ? "new" : "old"));
  CHECK(failed.began());
  CHECK_FALSE(failed.rolled_back());
  CHECK_THAT(
      failed.message(),
      Catch::Contains("left no journal") &&
          Catch::Contains("either never changed the live state, or was completed or undone"));
  CHECK_THAT(failed.hint(), Catch::Contains("inspect the service"));
}

TEST_CASE("restore helper: interrupted restores are recovered without an order") {
  KilledHelper helper;
  const auto recover = [&helper] {
    return Unwrap(RecoverRestores(helper.settings, helper.kinds, {}, helper.random, helper.clock));
  };
  REQUIRE(recover().empty());
  helper.Swap("01HF8888888888888888888888", false);

  const std::vector<std::string> lines = recover();

  REQUIRE(ReadText(helper.live) == "old");
  REQUIRE(lines.size() == 1);
  REQUIRE_THAT(lines.front(), Catch::StartsWith("files/app: ") && Catch::Contains("undid"));
  REQUIRE(recover().empty());
}

TEST_CASE("restore helper: a journal of a source that is not configured is named") {
  KilledHelper helper;
  helper.Swap("01HF8888888888888888888888", false);
  const std::string journals = RestoreJournalDirectory(helper.settings.state_dir);
  std::filesystem::copy_file(journals + "/files-app.json", journals + "/files-old.json");
  helper.settings.sources.front().name = "renamed";

  const auto failed =
      RecoverRestores(helper.settings, helper.kinds, {}, helper.random, helper.clock);

  REQUIRE_FAILS(failed, ErrorCode::kNotFound, journals + "/files-app.json");
  CHECK_THAT(failed.error().message(), Catch::Contains(journals + "/files-old.json"));
  CHECK_THAT(failed.error().hint(), Catch::Contains("put that source back") &&
                                        Catch::Contains("restore-helper --recover"));
  CHECK(ReadText(helper.live) == "new");

  // What can be recovered is recovered in spite of the other journal.
  helper.settings.sources.front().name = "app";
  REQUIRE_FAILS(RecoverRestores(helper.settings, helper.kinds, {}, helper.random, helper.clock),
                ErrorCode::kNotFound, "files-old.json");
  CHECK(ReadText(helper.live) == "old");
  CHECK_FALSE(Exists(journals + "/files-app.json"));
}

// After `holdfast-agent join` by the agent's user, only the agent has the new identity.
TEST_CASE("restore helper: if only the agent has joined again, the error says to join as root") {
  KilledHelper helper;
  v1::RestoreTicket ticket;
  SECTION("a gap between the root documents") {
    v1::RootDocument later = helper.scene.document;
    later.set_version(3);
    ticket.add_roots(std::string(AsText(helper.scene.fixture.Root(later).envelope())));
    ticket.set_plan(std::string(AsText(helper.scene.WithAnnaAndBen(helper.plan))));
  }
  SECTION("a later incarnation") {
    helper.plan.set_incarnation(helper.plan.incarnation() + 1);
    ticket.set_plan(std::string(AsText(helper.scene.WithAnnaAndBen(helper.plan))));
  }
  helper.Order(ticket);

  const v1::Failure failed = helper.RunAgain();

  CHECK_THAT(failed.message(), Catch::Contains("the restore helper"));
  CHECK_THAT(failed.hint(),
             Catch::Contains("holdfast agent token db-1 --rejoin") && Catch::Contains("as root"));
}

TEST_CASE("restore helper: symlinks, FIFOs and other files in the spool are left alone") {
  KilledHelper helper;
  const std::string spool = RestoresDirectory(helper.settings.state_dir);
  const std::string link = spool + "/" + std::string(32, 'c') + ".plan";
  std::filesystem::create_symlink(helper.live, link);
  REQUIRE(::mkfifo((spool + "/" + std::string(32, 'd') + ".plan").c_str(), 0600) == 0);
  WriteText(spool + "/notes", "text");

  REQUIRE(helper.RunAgain().began());

  REQUIRE(std::filesystem::is_symlink(link));
  REQUIRE(Exists(spool + "/notes"));
}

TEST_CASE("restore helper: a spool that is a symlink is refused") {
  KilledHelper helper;
  const std::string spool = RestoresDirectory(helper.settings.state_dir);
  std::filesystem::rename(spool, spool + "-away");
  std::filesystem::create_directory_symlink(spool + "-away", spool);

  REQUIRE_FAILS(RunRestoreHelper(helper.settings, helper.kinds, {}, helper.random, helper.clock),
                ErrorCode::kDenied, "not a directory");
}

}  // namespace
}  // namespace holdfast::agent
