#include "tests/support/agent_fixture.h"

namespace holdfast::agent {
namespace {

TEST_CASE("agent: a plan is durable and reported before its first job begins") {
  ConnectedFixture fixture;

  fixture.Order(fixture.BackupPlan('p', {"files/app"}, true));

  REQUIRE(fixture.journal.plans.size() == 1);
  REQUIRE(fixture.Reports().size() == 1);
  CHECK(fixture.Reports()[0].has_accepted());
  CHECK(fixture.Count<action::StartPrepare>() == 1);
}

TEST_CASE("agent: a known plan starts nothing and is answered again") {
  ConnectedFixture fixture;
  const v1::Plan plan = fixture.BackupPlan('p', {"files/app"}, true);
  fixture.Order(plan);
  const std::size_t before = fixture.sent.size();

  fixture.Order(plan);
  fixture.Order(plan);

  CHECK(fixture.Count<action::StartPrepare>() == 1);
  CHECK(fixture.Reports().size() == 1);
  CHECK(fixture.sent.size() == before + 2);
  CHECK(fixture.sent.back().has_reports());
}

TEST_CASE("agent: a local source is saved and composed, and its lock released") {
  ConnectedFixture fixture;
  fixture.Order(fixture.BackupPlan('p', {"files/app"}, true));
  fixture.Save('p');
  REQUIRE(fixture.Count<action::StartCompose>() == 1);
  CHECK(fixture.Last<action::StartCompose>().parts.size() == 1);
  CHECK(fixture.Last<action::StartCompose>().cut_barrier_met);
  CHECK(fixture.Count<action::WriteSnapshot>() == 0);

  fixture.Seal('p');
  CHECK(fixture.journal.sealed.size() == 1);
  CHECK(fixture.Count<action::WriteSnapshot>() == 1);
  CHECK(fixture.Count<action::ReleasePart>() == 0);
  fixture.Step(event::TaskComposed{fixture.Key('p'), Fixture::ComposedBytes()});

  CHECK(fixture.Reports().back().has_composed());
  CHECK(fixture.Reports().back().composed().has_part());
  CHECK(fixture.Reports().back().source() == "files/app");
  CHECK(fixture.Count<action::ReleasePart>() == 1);
  CHECK(fixture.journal.sealed.empty());
  CHECK(fixture.journal.parts.empty());
  CHECK(fixture.journal.plans.begin()->second.state == PlanState::kEnded);
}

TEST_CASE("agent: the order for a sharded source names the shards, and so does the part") {
  ConnectedFixture fixture;
  v1::Plan plan = fixture.BackupPlan('p', {"etcd/main"}, false);
  v1::BackupTask& task = *plan.mutable_backup()->mutable_tasks(0);
  const bool is_rest = GENERATE(false, true);
  task.set_shards(is_rest ? v1::SHARDS_REST : v1::SHARDS_NEAR);
  task.set_data(!is_rest);
  if (is_rest) {
    task.add_others()->set_node("b");
    task.mutable_others(0)->set_tree_id(std::string(32, 'o'));
  }
  fixture.Order(plan);
  const BackupScope scope = is_rest ? BackupScope::kRest : BackupScope::kLead;
  CHECK(fixture.Last<action::StartPrepare>().scope == scope);
  REQUIRE(fixture.Last<action::StartPrepare>().others.size() == (is_rest ? 1 : 0));

  fixture.Start();  // unchanged after a crash
  const auto& start = fixture.Last<action::StartPrepare>();
  CHECK(start.scope == scope);
  if (is_rest) {
    CHECK(start.others.at(0).node == "b");
    CHECK(start.others.at(0).tree_id == Bytes(32, 'o'));
  }
  fixture.Save('p');

  const v1::Part part = fixture.Reports().back().saved();
  CHECK(part.rest() == is_rest);
  CHECK(part.data() == !is_rest);
  CHECK(fixture.journal.parts.size() == 1);  // protected from prune until the run ends
  fixture.OrderEnd('e');
  CHECK(fixture.journal.parts.empty());
  CHECK(fixture.Count<action::ReleasePart>() == 1);
}

TEST_CASE("agent: the composer of a sharded source learns which parts are missing") {
  ConnectedFixture fixture;
  v1::Plan plan = fixture.ComposePlan('k');
  v1::ComposeOrder& order = *plan.mutable_compose();
  order.add_parts()->set_tree_id(std::string(32, 't'));
  order.add_lacking()->set_node("b");
  order.add_lacking()->set_rest(true);
  order.set_sharded(true);

  fixture.Order(plan);

  const auto& start = fixture.Last<action::StartCompose>();
  REQUIRE(start.parts.size() == 1);
  CHECK(start.parts[0].scope == BackupScope::kShards);
  REQUIRE(start.lacking.size() == 2);
  CHECK(start.lacking[0].node == "b");
  CHECK(start.lacking[1].node.empty());
}

TEST_CASE("agent: an agent without a cut order cuts alone, and reports it") {
  ConnectedFixture fixture;
  fixture.Order(fixture.BackupPlan('p', {"etcd/main"}, false));
  fixture.Step(event::TaskPrepared{fixture.Key('p')});
  fixture.Pass(14'999);
  CHECK(fixture.Count<action::Cut>() == 0);
  fixture.Pass(1);
  REQUIRE(fixture.Count<action::Cut>() == 1);

  fixture.Step(event::TaskCut{fixture.Key('p'), fixture.wall_ms});
  fixture.Step(event::TaskSaved{fixture.Key('p'), {}});

  CHECK_FALSE(fixture.Reports().back().saved().cut_on_order());
}

TEST_CASE("agent: a cut order that arrives before its backup order still applies") {
  ConnectedFixture fixture;
  fixture.OrderCut('c', 'p');
  fixture.Order(fixture.BackupPlan('p', {"etcd/main"}, false));

  fixture.Step(event::TaskPrepared{fixture.Key('p')});

  CHECK(fixture.Count<action::Cut>() == 1);
}

TEST_CASE("agent: all tasks are prepared and cut at once, and at most `tasks_max` save") {
  ConnectedFixture fixture({.tasks_max = 2});
  fixture.Order(fixture.BackupPlan('p', {"etcd/main", "files/app", "files/b"}, true));
  CHECK(fixture.Count<action::StartPrepare>() == 3);
  for (std::uint32_t task = 0; task < 3; ++task)
    fixture.Step(event::TaskPrepared{fixture.Key('p', task)});
  fixture.OrderCut('c', 'p');
  CHECK(fixture.Count<action::Cut>() == 3);
  for (std::uint32_t task = 0; task < 3; ++task)
    fixture.Step(event::TaskCut{fixture.Key('p', task), 1});
  CHECK(fixture.Count<action::StartSave>() == 2);

  fixture.Step(event::TaskFailed{fixture.Key('p', 0), {.code = "unavailable", .retryable = true}});

  CHECK(fixture.Count<action::StartSave>() == 3);
}

TEST_CASE("agent: two tasks of one source take turns") {
  ConnectedFixture fixture;
  fixture.Order(fixture.BackupPlan('p', {"etcd/main"}, false));
  fixture.Order(fixture.BackupPlan('q', {"etcd/main"}, false));
  CHECK(fixture.Count<action::StartPrepare>() == 1);

  fixture.Step(event::TaskFailed{fixture.Key('p'), {.code = "unavailable"}});

  CHECK(fixture.Count<action::StartPrepare>() == 2);
}

TEST_CASE("agent: a part's lock is held until the end order, and taken again after a crash") {
  ConnectedFixture fixture;
  fixture.Order(fixture.BackupPlan('p', {"etcd/main"}, false));
  fixture.Save('p');
  CHECK(fixture.Reports().back().has_saved());
  CHECK(fixture.Count<action::ReleasePart>() == 0);

  fixture.Start();
  CHECK(fixture.Last<action::HoldParts>().parts.size() == 1);
  CHECK(fixture.Count<action::StartPrepare>() == 1);
  fixture.Answer();
  fixture.OrderEnd('e');

  CHECK(fixture.Count<action::ReleasePart>() == 1);
  CHECK(fixture.Reports().back().has_ended());
}

TEST_CASE("agent: a part is released when its plan expires") {
  ConnectedFixture fixture;
  fixture.Order(fixture.BackupPlan('p', {"etcd/main"}, false));
  fixture.Save('p');

  fixture.Pass(3'600'001);

  CHECK(fixture.Count<action::ReleasePart>() == 1);
  CHECK(fixture.journal.parts.empty());
}

TEST_CASE("agent: after a crash a task starts again, but a sealed snapshot is not rebuilt") {
  ConnectedFixture fixture;
  fixture.Order(fixture.BackupPlan('p', {"files/app"}, true));
  fixture.Step(event::TaskPrepared{fixture.Key('p')});
  fixture.Start();
  CHECK(fixture.Count<action::StartPrepare>() == 2);
  fixture.Save('p');
  fixture.Seal('p');

  fixture.Start();

  CHECK(fixture.Count<action::StartPrepare>() == 2);
  REQUIRE(fixture.Last<action::StartCompose>().sealed.has_value());
  CHECK(fixture.Last<action::StartCompose>().sealed->sealed == Bytes(9, 1));
}

TEST_CASE("agent: nothing is composed after the order expires by the controller's clock") {
  ConnectedFixture fixture;
  v1::Plan plan = fixture.ComposePlan('p');
  plan.set_expires_at_ms(fixture.wall_ms + 600'000);
  fixture.Order(plan);
  REQUIRE(fixture.Count<action::StartCompose>() == 1);
  CHECK(fixture.Last<action::StartCompose>().write_until_boot_ms == fixture.boot_ms + 600'000);

  // The agent's own clock is set back an hour, which must not matter.
  fixture.wall_ms -= 3'600'000;
  fixture.Pass(600'000);
  fixture.Seal('p');
  CHECK(fixture.Count<action::WriteSnapshot>() == 0);
  CHECK(fixture.Count<action::StopTask>() >= 1);
  fixture.Step(event::TaskFailed{fixture.Key('p'), {.code = "cancelled"}});

  CHECK(fixture.Reports().back().failed().code() == "timed_out");
  CHECK_FALSE(fixture.Reports().back().failed().began());
}

TEST_CASE("agent: an end order stops running tasks, and is answered when all have stopped") {
  ConnectedFixture fixture;
  fixture.Order(fixture.BackupPlan('p', {"files/app", "files/b"}, true));
  fixture.Step(event::TaskPrepared{fixture.Key('p', 0)});

  fixture.OrderEnd('e');
  CHECK(fixture.Count<action::StopTask>() == 2);
  fixture.Step(event::TaskFailed{fixture.Key('p', 0), {.code = "cancelled"}});
  CHECK(fixture.Reports().back().has_cancelled());
  fixture.Step(event::TaskFailed{fixture.Key('p', 1), {.code = "cancelled"}});

  CHECK(fixture.Reports().back().has_ended());
  // Later orders of this run start nothing.
  fixture.Order(fixture.BackupPlan('q', {"files/c"}, true));
  CHECK(fixture.Count<action::StartPrepare>() == 2);
  CHECK(fixture.Reports().back().has_cancelled());
}

TEST_CASE("agent: a cut order does not cut a task that is being stopped") {
  ConnectedFixture fixture;
  fixture.Order(fixture.BackupPlan('p', {"etcd/main"}, false));
  fixture.Step(event::TaskPrepared{fixture.Key('p')});
  fixture.OrderEnd('e');

  fixture.OrderCut('c', 'p');

  CHECK(fixture.Count<action::Cut>() == 0);
}

TEST_CASE("agent: a part released while its lock is being taken leaves no lock") {
  ConnectedFixture fixture;
  fixture.Order(fixture.BackupPlan('p', {"etcd/main"}, false));
  fixture.Save('p');
  fixture.StartUnheld();
  fixture.Answer();
  fixture.OrderEnd('e');
  const std::size_t before = fixture.Count<action::ReleasePart>();

  fixture.Step(event::PartsHeld{});

  CHECK(fixture.Count<action::ReleasePart>() == before + 1);
}

TEST_CASE("agent: after a crash during a write, locks are held while the write may still land") {
  ConnectedFixture fixture;
  v1::Plan plan = fixture.ComposePlan('p');
  plan.set_expires_at_ms(fixture.wall_ms + 600'000);
  fixture.Order(plan);
  fixture.Seal('p');
  fixture.Start();
  CHECK(fixture.Last<action::HoldParts>().parts.size() == 1);
  fixture.Answer();
  fixture.OrderEnd('e');
  fixture.Step(event::TaskFailed{fixture.Key('p'), {.code = "cancelled"}});
  fixture.Pass(59'000);
  CHECK(fixture.Count<action::ReleasePart>() == 0);
  CHECK_FALSE(fixture.Reports().back().has_ended());

  fixture.Pass(1'000);

  CHECK(fixture.Count<action::ReleasePart>() == 1);
  CHECK(fixture.Reports().back().has_ended());
}

TEST_CASE("agent: after a crash during a write, a snapshot known to be written releases its lock") {
  ConnectedFixture fixture;
  fixture.Order(fixture.BackupPlan('p', {"etcd/main"}, false));
  fixture.Save('p');
  fixture.Order(fixture.ComposePlan('c'));
  fixture.Seal('c');
  fixture.Start();
  fixture.Answer();
  fixture.Step(event::TaskComposed{fixture.Key('c'), Fixture::ComposedBytes()});
  const std::size_t before = fixture.Count<action::ReleasePart>();

  fixture.OrderEnd('e');

  CHECK(fixture.Count<action::ReleasePart>() == before + 1);
  CHECK(fixture.Reports().back().has_ended());
}

TEST_CASE("agent: a refused plan stays refused, also after a crash") {
  ConnectedFixture fixture;
  const v1::Plan plan = fixture.RestorePlan('p');
  fixture.Order(plan);
  REQUIRE(fixture.Reports().back().has_refused());
  CHECK(fixture.Reports().back().refused().check() == "operators");

  fixture.Start();
  fixture.Answer();
  fixture.Order(plan, {"anna"});

  CHECK(fixture.Count<action::StartRestore>() == 0);
}

TEST_CASE("agent: time that passed only on the wall clock makes an answer too old for a restore") {
  ConnectedFixture fixture;
  fixture.wall_ms += 6 * 60'000;  // the clock was set
  v1::Plan plan = fixture.RestorePlan('r');
  plan.mutable_restore()->set_source("files/app");
  const std::string asked = fixture.nonce;

  fixture.Order(plan, {"anna"});

  CHECK(fixture.Count<action::StartRestore>() == 0);
  CHECK(fixture.nonce != asked);
  fixture.Answer();
  CHECK(fixture.Count<action::StartRestore>() == 1);
}

TEST_CASE("agent: a restore waits for a fresh answer") {
  ConnectedFixture fixture;
  fixture.Pass(301'000);
  const v1::Plan plan = fixture.RestorePlan('p');
  const bool is_answered = GENERATE(false, true);

  fixture.Order(plan, {"anna"});
  CHECK(fixture.Count<action::StartRestore>() == 0);
  if (is_answered) {
    fixture.Answer();
    CHECK(fixture.Count<action::StartRestore>() == 1);
  } else {
    fixture.Pass(30'000);
    CHECK(fixture.Reports().back().refused().check() == "freshness");
  }
}

TEST_CASE("agent: a forgotten plan raises the floor, and unknown plans below it are refused") {
  ConnectedFixture fixture;
  const v1::Plan late = fixture.BackupPlan('l', {"files/b"}, true);  // a lower sequence
  fixture.Order(fixture.BackupPlan('p', {"files/app"}, true));
  fixture.Step(event::TaskFailed{fixture.Key('p'), {.code = "unavailable"}});
  fixture.Pass(3'600'000 + 24 * 3'600'000LL + 120'001);
  CHECK(fixture.journal.plans.empty());
  CHECK(fixture.journal.floors.begin()->second == 2);

  v1::Plan again = late;
  again.set_issued_at_ms(fixture.wall_ms);
  again.set_not_before_ms(fixture.wall_ms);
  again.set_expires_at_ms(fixture.wall_ms + 3'600'000);
  fixture.Order(again);

  CHECK(fixture.Count<action::StartPrepare>() == 1);
  CHECK(fixture.Reports().back().refused().check() == "replay");
}

}  // namespace
}  // namespace holdfast::agent
