// A source whose shards are saved by several nodes at once, and the rest by one of them.
#include "tests/support/controller_fixture.h"

namespace holdfast::controller {
namespace {

// shop/main on three nodes; the first by name is the lead.
struct Shop : ThreeAgents {
  Shop() : ThreeAgents(Sharded("shop/main")) {}
  // Starts a backup that is prepared on all nodes, and reports the parts of these nodes in this
  // order, as parts '1' (of "a"), '2' (of "b") and '3' (of "c"). Returns the run.
  std::string BackupSavedBy(std::string_view nodes) {
    std::string run = Backup({"*"});
    PrepareAll();
    for (const char node : nodes)
      SavedAs(std::string(1, node), static_cast<char>(node - 'a' + '1'));
    return run;
  }
  const v1::BackupTask& TaskOf(const std::string& node) {
    return PlanOf(node, OrderKind::kBackup).backup().tasks(0);
  }
  // Reports the node's newest backup task as saved; `tree` identifies its part.
  void SavedAs(const std::string& node, char tree) {
    v1::Report report = ReportOf(node, OrderKind::kBackup);
    v1::Part& part = *report.mutable_saved();
    part.set_node(node);
    part.set_tree_id(std::string(32, tree));
    part.set_data(TaskOf(node).data());
    part.set_rest(TaskOf(node).shards() == v1::SHARDS_REST);
    part.set_cut_on_order(!part.rest());
    part.set_items(1);
    Report(node, report);
  }
  // The node with the newest order to save the rest, or an empty string.
  std::string RestNode() {
    for (const auto& [key, plan] : plans) {
      if (key.second == OrderKind::kBackup && plan.backup().tasks(0).shards() == v1::SHARDS_REST)
        return key.first;
    }
    return "";
  }
  static std::string Described(const v1::ComposeOrder& order) {
    std::string text;
    for (const v1::PartReference& part : order.parts()) {
      text += part.tree_id()[0];
      text += part.data() ? "d" : "";
      text += part.rest() ? "r" : "";
      text += " ";
    }
    for (const v1::LackingPart& one : order.lacking())
      text += "-" + (one.rest() ? "rest: " + one.reason() : one.node()) + " ";
    return text;
  }
  std::string ComposedOf(const std::string& node) {
    return Described(PlanOf(node, OrderKind::kCompose).compose());
  }
};

TEST_CASE("sharded: every node saves its shards, one of them leads, and all cut together") {
  Shop shop;
  shop.Backup({"shop/*"});
  int leads = 0;
  for (const char* node : {"a", "b", "c"}) {
    CHECK(shop.TaskOf(node).shards() == v1::SHARDS_NEAR);
    CHECK(shop.TaskOf(node).others_size() == 0);
    CHECK_FALSE(shop.TaskOf(node).compose());
    leads += shop.TaskOf(node).data() ? 1 : 0;
  }
  CHECK(leads == 1);

  shop.PrepareAll();

  for (const char* node : {"a", "b", "c"}) CHECK(shop.HasPlan(node, OrderKind::kCut));
}

TEST_CASE("sharded: the lead saves the rest when all have saved their shards") {
  Shop shop;
  const std::string run = shop.BackupSavedBy("ba");
  CHECK(shop.RestNode().empty());

  shop.SavedAs("c", '3');

  REQUIRE(shop.RestNode() == "a");
  const v1::BackupOrder order = shop.PlanOf("a", OrderKind::kBackup).backup();
  CHECK(order.cut_wait_ms() == 0);
  REQUIRE(order.tasks_size() == 1);
  CHECK_FALSE(order.tasks(0).data());
  CHECK(order.tasks(0).round() == 1);
  REQUIRE(order.tasks(0).others_size() == 3);
  CHECK(order.tasks(0).others(1).node() == "b");
  CHECK(order.tasks(0).others(1).tree_id() == std::string(32, '2'));
  CHECK_FALSE(shop.HasPlan("a", OrderKind::kCompose));

  shop.SavedAs("a", 'R');

  CHECK(shop.ComposedOf("a") == "1d 2 3 Rr ");
  const v1::ComposeOrder compose = shop.PlanOf("a", OrderKind::kCompose).compose();
  CHECK(compose.sharded());
  CHECK(compose.cut_barrier_met());
  CHECK(compose.host() == "prod");
  shop.Composed("a", OrderKind::kCompose);
  CHECK(shop.StateOf(run) == RunState::kDone);
  for (std::uint32_t number = 0; number < 4; ++number)
    CHECK(shop.catalog.tasks.at({run, number}).state == TaskState::kComposed);
  CHECK(shop.catalog.tasks.at({run, 3}).scope == BackupScope::kRest);
  CHECK(shop.catalog.snapshots.size() == 1);
}

TEST_CASE("sharded: a single node leads and saves the rest") {
  OneAgent fixture(Sharded("shop/main"));
  fixture.Backup({"*"});
  CHECK(fixture.PlanOf("a", OrderKind::kBackup).backup().tasks(0).data());
  fixture.Saved("a");
  CHECK(fixture.PlanOf("a", OrderKind::kBackup).backup().tasks(0).shards() == v1::SHARDS_REST);
  fixture.Saved("a");
  CHECK(fixture.PlanOf("a", OrderKind::kCompose).compose().parts_size() == 2);
}

TEST_CASE("sharded: a failed node is tried again, and then its shards are left to the rest") {
  Shop shop;
  shop.BackupSavedBy("ac");
  for (std::uint32_t round = 0; round < 3; ++round) {
    CHECK(shop.RestNode().empty());
    CHECK(shop.TaskOf("b").round() == round);
    CHECK(shop.TaskOf("b").shards() == v1::SHARDS_NEAR);
    shop.Failed("b", OrderKind::kBackup, true);
    shop.PassAlive(kMinute, {"a", "b", "c"});
  }

  REQUIRE(shop.RestNode() == "a");
  CHECK(shop.TaskOf("a").others_size() == 2);
  CHECK_FALSE(shop.TaskOf("a").data());
  shop.SavedAs("a", 'R');

  CHECK(shop.ComposedOf("a") == "1d 3 Rr -b ");
  CHECK(shop.PlanOf("a", OrderKind::kCompose).compose().lacking(0).reason() == "it broke");
  CHECK(shop.PlanOf("a", OrderKind::kCompose).compose().cut_barrier_met());
}

TEST_CASE("sharded: without the lead's part the rest includes the data") {
  Shop shop;
  shop.BackupSavedBy("bc");
  const bool is_lost = GENERATE(false, true);
  if (is_lost) {
    shop.PassAlive(10 * kMinute, {"b", "c"});
  } else {
    shop.Failed("a", OrderKind::kBackup, false);
  }

  REQUIRE(shop.RestNode() == "b");
  CHECK(shop.TaskOf("b").data());
  CHECK(shop.TaskOf("b").others_size() == 2);
  shop.SavedAs("b", 'R');

  CHECK(shop.ComposedOf("b") == "2 3 Rdr -a ");
}

TEST_CASE("sharded: a lead that returns after the rest replaced it is left out") {
  Shop shop;
  const std::string run = shop.BackupSavedBy("bc");
  shop.PassAlive(10 * kMinute, {"b", "c"});
  REQUIRE(shop.RestNode() == "b");

  shop.Hello("a");
  shop.SavedAs("b", 'R');
  CHECK_FALSE(shop.HasPlan("b", OrderKind::kCompose));  // waits for the node that is back
  shop.SavedAs("a", '1');

  CHECK(shop.ComposedOf("b") == "2 3 Rdr -a ");
  shop.Composed("b", OrderKind::kCompose);
  CHECK(shop.catalog.tasks.at({run, 0}).state == TaskState::kFailed);
}

TEST_CASE("sharded: a node that returns after the rest was ordered is in the snapshot") {
  Shop shop;
  shop.BackupSavedBy("ab");
  shop.PassAlive(10 * kMinute, {"a", "b"});
  REQUIRE(shop.RestNode() == "a");

  shop.Hello("c");
  shop.SavedAs("c", '3');
  shop.SavedAs("a", 'R');

  CHECK(shop.ComposedOf("a") == "1d 2 3 Rr ");
}

TEST_CASE("sharded: another node takes over a failed rest, and one rest is ordered at a time") {
  Shop shop;
  shop.BackupSavedBy("abc");
  REQUIRE(shop.RestNode() == "a");
  const bool is_lost = GENERATE(false, true);

  if (is_lost) {
    shop.PassAlive(10 * kMinute, {"b", "c"});
  } else {
    shop.Failed("a", OrderKind::kBackup, true);
  }

  REQUIRE(shop.TaskOf("b").shards() == v1::SHARDS_REST);
  CHECK(shop.TaskOf("b").round() == 2);
  CHECK(shop.TaskOf("b").others_size() == 3);
  CHECK_FALSE(shop.TaskOf("b").data());
  shop.SavedAs("b", 'R');
  const std::string composer = is_lost ? "b" : "a";
  CHECK(shop.ComposedOf(composer) == "1d 2 3 Rr ");
}

TEST_CASE("sharded: a rest that fails permanently is named as missing in the snapshot") {
  Shop shop;
  shop.BackupSavedBy("abc");
  for (const char* node : {"a", "b", "c"}) {
    REQUIRE(shop.TaskOf(node).shards() == v1::SHARDS_REST);
    CHECK_FALSE(shop.HasPlan("a", OrderKind::kCompose));
    shop.Failed(node, OrderKind::kBackup, true);
  }

  CHECK(shop.ComposedOf("a") == "1d 2 3 -rest: it broke ");
  CHECK(shop.PlanOf("a", OrderKind::kCompose).compose().cut_barrier_met());
}

TEST_CASE("sharded: the rest of a single node is tried three times") {
  OneAgent fixture(Sharded("shop/main"));
  fixture.Backup({"*"});
  fixture.Saved("a");
  for (std::uint32_t round = 1; round <= 3; ++round) {
    const v1::BackupTask task = fixture.PlanOf("a", OrderKind::kBackup).backup().tasks(0);
    REQUIRE(task.shards() == v1::SHARDS_REST);
    CHECK(task.round() == round);
    CHECK(task.others_size() == 1);
    CHECK_FALSE(fixture.HasPlan("a", OrderKind::kCompose));
    fixture.Failed("a", OrderKind::kBackup, true);
    fixture.PassAlive(kMinute, {"a"});
  }
  CHECK(fixture.HasPlan("a", OrderKind::kCompose));
}

TEST_CASE("sharded: without the lead's part and the rest there is no snapshot") {
  Shop shop;
  const std::string run = shop.BackupSavedBy("");
  SECTION("no node has saved anything") {
    for (const char* node : {"a", "b", "c"}) shop.Failed(node, OrderKind::kBackup, false);
    CHECK(shop.RestNode().empty());
  }
  SECTION("the data is missing") {
    shop.Failed("a", OrderKind::kBackup, false);
    shop.SavedAs("b", '2');
    shop.SavedAs("c", '3');
    shop.Failed("b", OrderKind::kBackup, false);
  }
  CHECK(shop.StateOf(run) == RunState::kFailed);
  CHECK(shop.catalog.snapshots.empty());
  for (const char* node : {"a", "b", "c"}) CHECK_FALSE(shop.HasPlan(node, OrderKind::kCompose));
}

TEST_CASE("sharded: the rest waits while no node is connected") {
  Shop shop;
  shop.BackupSavedBy("ab");
  shop.Pass(10 * kMinute);
  CHECK(shop.RestNode().empty());

  shop.Hello("b");
  shop.PassAlive(kMinute, {"b"});

  CHECK(shop.RestNode() == "b");
}

TEST_CASE("sharded: a restarted controller continues from its catalog") {
  Shop shop;
  const std::string run = shop.BackupSavedBy("ab");
  const auto restart = [&] {
    shop.Start();
    for (const char* node : {"a", "b", "c"}) shop.Hello(node);
  };
  restart();
  shop.SavedAs("c", '3');
  REQUIRE(shop.RestNode() == "a");
  const std::string plan = shop.PlanOf("a", OrderKind::kBackup).plan_id();

  restart();
  CHECK(shop.PlanOf("a", OrderKind::kBackup).plan_id() == plan);
  shop.Failed("a", OrderKind::kBackup, true);
  REQUIRE(shop.TaskOf("b").shards() == v1::SHARDS_REST);
  restart();
  shop.SavedAs("b", 'R');
  CHECK(shop.ComposedOf("a") == "1d 2 3 Rr ");
  restart();
  shop.Composed("a", OrderKind::kCompose);

  CHECK(shop.StateOf(run) == RunState::kDone);
}

TEST_CASE("sharded: an agent that refuses an unknown order is left out") {
  Shop shop;
  shop.Backup({"*"});
  shop.Accept("a", OrderKind::kBackup);
  shop.Accept("c", OrderKind::kBackup);
  v1::Report report = shop.ReportOf("b", OrderKind::kBackup);
  report.mutable_refused()->set_check("decode");
  report.mutable_refused()->set_message("unknown field 7 in \"BackupTask\"");
  shop.Report("b", report);
  shop.SavedAs("a", '1');
  shop.SavedAs("c", '3');
  shop.SavedAs("a", 'R');
  CHECK(shop.ComposedOf("a") == "1d 3 Rr -b ");
}

TEST_CASE("sharded: nodes that disagree about the topology of a source are refused") {
  Fixture fixture;
  fixture.AddAgent("a", {Sharded("shop/main")});
  fixture.AddAgent("b", {Replicated("shop/main")});
  fixture.StartWithAgents();

  const event::RunRequested backup{.request = 3, .selectors = {"*"}, .actor = "uid:0"};
  CHECK(fixture.Refused(backup).message() ==
        "\"shop/main\" is sharded on \"a\" and replicated on \"b\"");
  CHECK(fixture.last.changes.empty());
}

}  // namespace
}  // namespace holdfast::controller
