#include "common/base/format.h"
#include "common/protocol/limits.h"
#include "tests/support/controller_fixture.h"

namespace holdfast::controller {
namespace {

// etcd/main on three nodes; the first by name saves the data.
struct Cluster : ThreeAgents {
  explicit Cluster(Options options = {}) : ThreeAgents(Replicated("etcd/main"), options) {}
};

// A backup of files/app on one node, whose agent has accepted it and is then silent until the task
// counts as lost.
struct LostBackup : OneAgent {
  LostBackup() {
    Accept("a", OrderKind::kBackup);
    Pass(10 * kMinute);
  }
  const TaskRecord& task() const { return catalog.tasks.at({run, 0}); }

  const std::string run = Backup({"*"});
};

TEST_CASE("backup: one member of a replicated source saves the data, all save their own files") {
  Cluster cluster;

  cluster.Backup({"etcd/*"});

  int data = 0;
  for (const char* node : {"a", "b", "c"}) {
    const v1::Plan& plan = cluster.PlanOf(node, OrderKind::kBackup);
    REQUIRE(plan.backup().tasks_size() == 1);
    CHECK_FALSE(plan.backup().tasks(0).compose());
    data += plan.backup().tasks(0).data() ? 1 : 0;
  }
  CHECK(data == 1);
}

TEST_CASE("backup: a member reported as unhealthy does not save the data") {
  Fixture fixture;
  for (const char* node : {"a", "b"}) fixture.AddAgent(node, {Replicated("etcd/main")});
  fixture.catalog.agents["a"].healthy["etcd/main"] = false;
  fixture.StartWithAgents();

  fixture.Backup({"*"});

  CHECK(fixture.PlanOf("b", OrderKind::kBackup).backup().tasks(0).data());
}

TEST_CASE("backup: all members cut when all are prepared") {
  Cluster cluster;
  cluster.Backup({"*"});
  cluster.Progress("a", v1::TASK_STATE_PREPARED);
  cluster.Progress("b", v1::TASK_STATE_PREPARED);
  CHECK_FALSE(cluster.HasPlan("a", OrderKind::kCut));

  cluster.Progress("c", v1::TASK_STATE_PREPARED);

  for (const char* node : {"a", "b", "c"}) {
    CHECK(cluster.PlanOf(node, OrderKind::kCut).cut().backup_plan_id() ==
          cluster.PlanOf(node, OrderKind::kBackup).plan_id());
  }
}

TEST_CASE("backup: the cut waits two seconds at most for late members, and marks them") {
  Cluster cluster;
  const std::string run = cluster.Backup({"*"});
  cluster.Progress("a", v1::TASK_STATE_PREPARED);
  cluster.Pass(1'999);
  CHECK_FALSE(cluster.HasPlan("a", OrderKind::kCut));

  cluster.Pass(1);

  CHECK(cluster.HasPlan("a", OrderKind::kCut));
  CHECK(cluster.HasPlan("c", OrderKind::kCut));
  CHECK_FALSE(cluster.catalog.tasks.at({run, 0}).late);
  CHECK(cluster.catalog.tasks.at({run, 2}).late);
}

TEST_CASE("backup: the member that saved the data composes, then all get the end order") {
  Cluster cluster;
  const std::string run = cluster.Backup({"*"});
  cluster.PrepareAll();
  for (const char* node : {"b", "c"}) cluster.Saved(node);
  CHECK_FALSE(cluster.HasPlan("a", OrderKind::kCompose));

  cluster.Saved("a");
  const v1::ComposeOrder order = cluster.PlanOf("a", OrderKind::kCompose).compose();
  CHECK(order.parts_size() == 3);
  CHECK(order.lacking_size() == 0);
  CHECK(order.cut_barrier_met());
  CHECK(order.host() == "prod");

  cluster.Composed("a", OrderKind::kCompose);
  CHECK(cluster.StateOf(run) == RunState::kDone);
  CHECK(cluster.catalog.snapshots.size() == 1);
  CHECK_FALSE(cluster.catalog.runs.at(run).closed);
  for (const char* node : {"a", "b", "c"}) {
    v1::Report report = cluster.ReportOf(node, OrderKind::kEnd);
    report.mutable_ended();
    cluster.Report(node, report);
  }
  CHECK(cluster.catalog.runs.at(run).closed);
  CHECK_FALSE(cluster.core->Status(run).has_value());
}

// The largest run whose plan must fit: long names, large parts, long reasons.
TEST_CASE("backup: the compose order of 3,000 nodes fits into a plan") {
  constexpr int kNodes = 3'000;
  constexpr int kFailed = 300;  // enough to shorten their reasons
  constexpr int kLarge = 20;    // as many parts of the largest size as the test can afford
  Fixture fixture;
  std::vector<std::string> nodes;
  for (int i = 0; i < kNodes; ++i) {
    nodes.push_back(fmt::format("{:04}", i) + std::string(60, 'n'));
    fixture.AddAgent(nodes.back(), {Replicated("etcd/main")});
  }
  fixture.StartWithAgents();
  const std::string run = fixture.Backup({"*"});
  v1::Part large;
  large.set_tree_id(std::string(32, 't'));
  for (int i = 0; i < 20; ++i) {
    large.add_warnings(std::string(4'096, 'w'));
    v1::MissingItem& missing = *large.add_missing();
    missing.set_what(std::string(4'096, 'w'));
    missing.set_reason(std::string(4'096, 'r'));
    missing.set_remedy(std::string(4'096, 'r'));
  }
  v1::Part small;
  small.set_tree_id(std::string(32, 't'));
  for (int i = 0; i < kNodes; ++i) {
    v1::Report report = fixture.ReportOf(nodes[i], OrderKind::kBackup);
    if (i < kNodes - kFailed) {
      *report.mutable_saved() = i < kLarge ? large : small;
    } else {
      report.mutable_failed()->set_code("denied");
      report.mutable_failed()->set_message(std::string(4'096, 'm'));
    }
    fixture.Report(nodes[i], report);
  }

  const v1::Plan plan = fixture.PlanOf(nodes[0], OrderKind::kCompose);

  CHECK(plan.ByteSizeLong() <= protocol::kPayloadBytesMax);
  CHECK(plan.compose().parts_size() == kNodes - kFailed);
  CHECK(plan.compose().parts(0).node() == nodes[0]);
  CHECK(plan.compose().parts(0).data());
  REQUIRE(plan.compose().lacking_size() == kFailed);
  const std::string& reason = plan.compose().lacking(0).reason();
  CHECK(reason.starts_with("mmm"));
  CHECK(reason.size() < 1'000);
  fixture.Composed(nodes[0], OrderKind::kCompose);
  CHECK(fixture.StateOf(run) != RunState::kRunning);
}

TEST_CASE(
    "backup: another member takes over failed data, and the first still saves its own files") {
  Cluster cluster;
  cluster.Backup({"*"});
  cluster.PrepareAll();
  cluster.Saved("b");

  cluster.Failed("a", OrderKind::kBackup, true);

  const v1::BackupTask& second = cluster.PlanOf("b", OrderKind::kBackup).backup().tasks(0);
  CHECK(second.data());
  CHECK(second.round() == 1);
  CHECK(cluster.PlanOf("b", OrderKind::kBackup).backup().cut_wait_ms() == 0);
  const v1::BackupTask& own = cluster.PlanOf("a", OrderKind::kBackup).backup().tasks(0);
  CHECK_FALSE(own.data());
  CHECK(own.round() == 1);

  cluster.Saved("c");
  cluster.Saved("b");
  cluster.Saved("a");
  const v1::ComposeOrder order = cluster.PlanOf("b", OrderKind::kCompose).compose();
  CHECK(order.parts_size() == 3);
  CHECK_FALSE(order.cut_barrier_met());
}

TEST_CASE("backup: a lost member is left out and named") {
  Cluster cluster;
  const std::string run = cluster.Backup({"*"});
  cluster.PrepareAll();
  cluster.Saved("a");
  cluster.Saved("b");

  cluster.PassAlive(10 * kMinute, {"a", "b"});

  const v1::ComposeOrder order = cluster.PlanOf("a", OrderKind::kCompose).compose();
  CHECK(order.parts_size() == 2);
  REQUIRE(order.lacking_size() == 1);
  CHECK(order.lacking(0).node() == "c");
  CHECK(cluster.AuditCount("agent.lost") == 1);
  v1::Report report = cluster.ReportOf("a", OrderKind::kCompose);
  report.mutable_composed()->set_snapshot(std::string(32, 's'));
  report.mutable_composed()->set_partial(true);
  cluster.Report("a", report);
  CHECK(cluster.StateOf(run) == RunState::kPartlyDone);
}

TEST_CASE("backup: no second composer is ordered before the first is fenced") {
  Cluster cluster;
  cluster.Backup({"*"});
  cluster.PrepareAll();
  for (const char* node : {"a", "b", "c"}) cluster.Saved(node);
  REQUIRE(cluster.HasPlan("a", OrderKind::kCompose));

  cluster.PassAlive(11 * kMinute, {"b", "c"});
  CHECK_FALSE(cluster.HasPlan("b", OrderKind::kCompose));
  cluster.PassAlive(kMinute + 1'000, {"b", "c"});

  CHECK(cluster.HasPlan("b", OrderKind::kCompose));
}

TEST_CASE("backup: a composer that wrote nothing is replaced at once, any other after the fence") {
  Cluster cluster;
  cluster.Backup({"*"});
  cluster.PrepareAll();
  for (const char* node : {"a", "b", "c"}) cluster.Saved(node);
  const bool began = GENERATE(false, true);

  cluster.Failed("a", OrderKind::kCompose, true, began);

  CHECK(cluster.HasPlan("b", OrderKind::kCompose) == !began);
  cluster.PassAlive(13 * kMinute, {"a", "b", "c"});
  CHECK(cluster.HasPlan("b", OrderKind::kCompose));
}

TEST_CASE("backup: a local source is one task, tried three times at intervals of a minute") {
  OneAgent fixture;
  const std::string run = fixture.Backup({"files/app@a"});
  CHECK(fixture.PlanOf("a", OrderKind::kBackup).backup().tasks(0).compose());

  for (unsigned round = 0; round < 3; ++round) {
    CHECK(fixture.PlanOf("a", OrderKind::kBackup).backup().tasks(0).round() == round);
    CHECK(fixture.StateOf(run) == RunState::kRunning);
    fixture.Failed("a", OrderKind::kBackup, true);
    fixture.PassAlive(kMinute, {"a"});
  }

  CHECK(fixture.StateOf(run) == RunState::kFailed);
}

TEST_CASE("backup: a permanent error ends the run") {
  OneAgent fixture;
  const std::string run = fixture.Backup({"*"});

  fixture.Failed("a", OrderKind::kBackup, false);

  CHECK(fixture.StateOf(run) == RunState::kFailed);
  CHECK(fixture.AuditCount("run.ended") == 1);
}

TEST_CASE("backup: a second run of the same source is refused as busy, or queued") {
  OneAgent fixture;
  const std::string first = fixture.Backup({"*"});

  const event::RunRequested again{.request = 2, .selectors = {"files/app"}, .actor = "uid:0"};
  CHECK(fixture.Refused(again).code() == ErrorCode::kBusy);
  const std::string second = fixture.Backup({"files/app"}, true);
  CHECK(fixture.StateOf(second) == RunState::kQueued);

  fixture.Composed("a", OrderKind::kBackup);
  CHECK(fixture.StateOf(first) == RunState::kDone);
  CHECK(fixture.StateOf(second) == RunState::kRunning);
  CHECK(fixture.PlanOf("a", OrderKind::kBackup).run() == second);
}

TEST_CASE("backup: no run is started while agents refuse the controller's key") {
  OneAgent fixture;
  fixture.Backup({"*"});
  const std::string queued = fixture.Backup({"files/app"}, true);
  const std::size_t runs = fixture.catalog.runs.size();
  fixture.trust.refused_key = Error(ErrorCode::kDenied, "not in version 2", "install the new key");

  const Error refused = fixture.Refused(
      event::RunRequested{.request = 2, .selectors = {"files/app"}, .actor = "uid:0"});

  CHECK(refused.code() == ErrorCode::kDenied);
  CHECK(refused.message() == "agents would refuse this run: not in version 2");
  CHECK(refused.hint() == "install the new key");
  CHECK(fixture.catalog.runs.size() == runs);
  // It would wait for its agent until its deadline.
  fixture.Composed("a", OrderKind::kBackup);
  CHECK(fixture.StateOf(queued) == RunState::kFailed);
  CHECK_THAT(fixture.catalog.runs.at(queued).message, Catch::Contains("not in version 2"));
}

TEST_CASE("backup: a cancelled run ends at once, and its agents get the end order") {
  Cluster cluster;
  const std::string run = cluster.Backup({"*"});
  cluster.PrepareAll();

  cluster.Step(event::CancelRequested{2, run, "uid:0"});

  CHECK(cluster.StateOf(run) == RunState::kCancelled);
  CHECK(cluster.PlanOf("b", OrderKind::kEnd).end().cancelled());
  CHECK(cluster.AuditCount("run.ended") == 1);
}

TEST_CASE("backup: an expired run ends") {
  Cluster cluster({.backup_life_ms = kMinute});
  const std::string run = cluster.Backup({"*"});
  cluster.PrepareAll();

  cluster.PassAlive(kMinute + 1, {"a", "b", "c"});

  CHECK(cluster.StateOf(run) == RunState::kFailed);
  CHECK(cluster.catalog.tasks.at({run, 0}).error->code == "timed_out");
}

TEST_CASE("backup: tasks start at the repository's rate") {
  Fixture fixture({.starts_per_s = 1, .starts_burst = 2});
  std::vector<ConfiguredSource> sources;
  for (char name = 'a'; name < 'f'; ++name)
    sources.push_back(Local("files/" + std::string(1, name)));
  fixture.AddAgent("n", sources);
  fixture.StartWithAgents();

  fixture.Backup({"*"});

  const v1::BackupOrder order = fixture.PlanOf("n", OrderKind::kBackup).backup();
  REQUIRE(order.tasks_size() == 5);
  CHECK(order.tasks(1).start_after_ms() == 0);
  CHECK(order.tasks(2).start_after_ms() == 0);
  CHECK(order.tasks(4).start_after_ms() == 2'000);
}

TEST_CASE("backup: a restarted controller continues from its catalog") {
  Cluster cluster;
  const std::string run = cluster.Backup({"*"});
  cluster.PrepareAll();
  cluster.Saved("a");
  cluster.Saved("b");

  cluster.Start();
  for (const char* node : {"a", "b", "c"}) cluster.Hello(node);
  cluster.Saved("c");
  CHECK(cluster.PlanOf("a", OrderKind::kCompose).compose().parts_size() == 3);
  cluster.Start();
  cluster.Hello("a");
  cluster.Composed("a", OrderKind::kCompose);

  CHECK(cluster.StateOf(run) == RunState::kDone);
  REQUIRE(cluster.catalog.snapshots.size() == 1);
  CHECK(cluster.catalog.snapshots.begin()->second.items == 6);
  CHECK(cluster.catalog.snapshots.begin()->second.files == 4);
  CHECK(cluster.catalog.snapshots.begin()->second.bytes == 300);
}

TEST_CASE("backup: an invalid snapshot leaves a run partly done, also after a restart") {
  Fixture fixture;
  fixture.AddAgent("a", {Local("files/app")});
  fixture.AddAgent("b", {Local("files/app")});
  fixture.StartWithAgents();
  const std::string run = fixture.Backup({"*"});
  v1::Report report = fixture.ReportOf("a", OrderKind::kBackup);
  report.mutable_composed()->set_snapshot(std::string(32, 'a'));
  report.mutable_composed()->set_invalid(true);
  fixture.Report("a", report);

  if (GENERATE(false, true)) {
    fixture.Start();
    fixture.Hello("b");
  }
  fixture.Composed("b", OrderKind::kBackup);

  CHECK(fixture.StateOf(run) == RunState::kPartlyDone);
}

TEST_CASE("backup: a restarted controller reports no task as lost for two leases") {
  OneAgent fixture;
  const std::string run = fixture.Backup({"*"});
  fixture.Start();

  fixture.Pass(239'999);
  CHECK(fixture.StateOf(run) == RunState::kRunning);
  fixture.Pass(2);

  CHECK(fixture.StateOf(run) == RunState::kFailed);
  CHECK(fixture.catalog.tasks.at({run, 0}).state == TaskState::kLost);
}

TEST_CASE("backup: a snapshot reported after the end of a run amends its state") {
  LostBackup fixture;
  REQUIRE(fixture.StateOf(fixture.run) == RunState::kFailed);

  fixture.Hello("a");
  fixture.Composed("a", OrderKind::kBackup);

  CHECK(fixture.StateOf(fixture.run) == RunState::kDone);
  CHECK(fixture.catalog.snapshots.size() == 1);
  CHECK(fixture.AuditCount("run.amended") == 1);
}

TEST_CASE("backup: a lost task has a reason and the next command") {
  const LostBackup fixture;

  const TaskRecord& task = fixture.task();
  CHECK(task.state == TaskState::kLost);
  REQUIRE(task.error.has_value());
  CHECK(task.error->code == "unavailable");
  CHECK_THAT(task.error->message, Catch::Contains("node \"a\" has been silent for 4m"));
  CHECK_THAT(task.error->hint, Catch::Contains("on a: systemctl status holdfast-agent"));
  CHECK_THAT(task.error->hint, Catch::Contains("holdfast backup files/app@a"));
}

TEST_CASE("backup: a task that is no longer lost has no error") {
  Fixture fixture;
  for (const char* node : {"a", "b"}) fixture.AddAgent(node, {Local("files/app")});
  fixture.StartWithAgents();
  const std::string run = fixture.Backup({"*"});
  for (const char* node : {"a", "b"}) fixture.Accept(node, OrderKind::kBackup);
  fixture.PassAlive(5 * kMinute, {"b"});
  const std::uint32_t number = fixture.catalog.tasks.at({run, 0}).node == "a" ? 0 : 1;
  REQUIRE(fixture.catalog.tasks.at({run, number}).state == TaskState::kLost);
  fixture.Composed("b", OrderKind::kBackup, 'b');
  fixture.Hello("a");

  fixture.Composed("a", OrderKind::kBackup, 'a');

  CHECK(fixture.catalog.tasks.at({run, number}).state == TaskState::kComposed);
  CHECK_FALSE(fixture.catalog.tasks.at({run, number}).error.has_value());
  CHECK(fixture.StateOf(run) == RunState::kDone);
}

TEST_CASE("backup: the answer to an end order does not replace lost") {
  LostBackup fixture;
  fixture.Hello("a");
  v1::Report report = fixture.ReportOf("a", OrderKind::kBackup);
  report.mutable_cancelled()->set_code("cancelled");
  report.mutable_cancelled()->set_message("the run has ended");

  fixture.Report("a", report);

  const TaskRecord& task = fixture.task();
  CHECK(task.state == TaskState::kLost);
  REQUIRE(task.error.has_value());
  CHECK_THAT(task.error->message, Catch::Contains("has been silent"));
  CHECK_THAT(task.error->message, Catch::Contains("the agent has stopped the task"));
  CHECK(fixture.StateOf(fixture.run) == RunState::kFailed);
}

TEST_CASE("backup: cancelling a run does not replace lost") {
  Cluster cluster;
  const std::string run = cluster.Backup({"*"});
  cluster.PrepareAll();
  cluster.PassAlive(5 * kMinute, {"b", "c"});
  REQUIRE(cluster.catalog.tasks.at({run, 0}).state == TaskState::kLost);

  cluster.Step(event::CancelRequested{8, run, "uid:0"});

  CHECK(cluster.StateOf(run) == RunState::kCancelled);
  CHECK(cluster.catalog.tasks.at({run, 0}).state == TaskState::kLost);
  CHECK(cluster.catalog.tasks.at({run, 1}).state == TaskState::kCancelled);
}

TEST_CASE("backup: without any reported source every selector is refused with a reason") {
  Fixture fixture;
  fixture.StartWithAgents();
  for (const std::vector<std::string>& selectors :
       {std::vector<std::string>(), std::vector<std::string>{"*"}}) {
    const Error error = fixture.Refused(
        event::RunRequested{.request = 3, .selectors = selectors, .actor = "uid:0"});
    CHECK(error.code() == ErrorCode::kNotFound);
    CHECK(error.message() == "no agent has reported a source yet");
  }
}

TEST_CASE("backup: selectors without a match are refused before anything happens") {
  Cluster cluster;
  for (const char* text : {"kafka/*", "etcd/main@z", "etcd", "a/b/c", "x@"}) {
    INFO(text);
    (void)cluster.Refused(event::RunRequested{.request = 3, .selectors = {text}, .actor = "uid:0"});
    CHECK(cluster.last.changes.empty());
  }
}

TEST_CASE("backup: an unknown source gets a suggestion") {
  Cluster cluster;
  for (const auto& [text, message] : std::vector<std::pair<std::string, std::string>>{
           {"ectd/main", "no source \"ectd/main\"; did you mean \"etcd/main\"?"},
           {"etcd/main@d", "no source \"etcd/main@d\"; did you mean \"etcd/main@a\"?"},
           {"kafka/other", "no source \"kafka/other\""}}) {
    for (const OrderKind kind : {OrderKind::kBackup, OrderKind::kProbe}) {
      const Error error = cluster.Refused(
          event::RunRequested{.request = 3, .kind = kind, .selectors = {text}, .actor = "uid:0"});
      CHECK(error.code() == ErrorCode::kNotFound);
      CHECK(error.message() == message);
    }
  }
}

TEST_CASE("check: an unknown repository gets a suggestion") {
  Cluster cluster;
  const event::RunRequested check{
      .request = 3, .kind = OrderKind::kVerify, .repository = "mian", .actor = "uid:0"};
  CHECK(cluster.Refused(check).message() == "no repository \"mian\"; did you mean \"main\"?");
}

}  // namespace
}  // namespace holdfast::controller
