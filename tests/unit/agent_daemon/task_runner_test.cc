#include "agent/daemon/task_runner.h"

#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <set>

#include "common/base/format.h"
#include "common/base/ulid.h"
#include "common/crypto/ed25519.h"
#include "common/io/atomic_file.h"
#include "common/trust/envelope.h"
#include "proto/holdfast/v1/plan.pb.h"
#include "tests/support/catch.h"
#include "tests/support/fake_source.h"
#include "tests/support/messages.h"
#include "tests/support/repository_fixture.h"
#include "tests/support/sharded_source.h"

namespace holdfast::agent {
namespace {

using testing::Unwrap;

// The helper does not take the order.
class NoHelper final : public RestoreLauncher {
 public:
  Result<RestoreOutcome> Run(const Bytes&, const Bytes&, const Bytes&, bool, const std::stop_token&,
                             const std::function<void(event::TaskProgress)>&) override {
    return Fail(ErrorCode::kCancelled, "stopped");
  }
};

// A node of the sharded source "shop/s". "fake/one" in the same repository is not sharded.
class Node {
 public:
  Node(testing::ShardedWorld& shop, testing::FakeWorld& world, testing::MemoryStorage& storage,
       const std::string& directory, const std::string& name)
      : kinds_{testing::ShardedKind(shop), testing::FakeKind(world)},
        settings_(Unwrap(
            ParseSettings(fmt::format("node: {0}\ncluster: prod\nstate_dir: {0}/state\n"
                                      "repositories:\n"
                                      "  main: {{url: 'memory:main', password_file: password}}\n"
                                      "sources:\n"
                                      "  - {{kind: shop, name: s}}\n"
                                      "  - {{kind: fake, name: one}}\n",
                                      name),
                          directory + "/agent.yaml", {}, jobs::SchemasOf(kinds_)))),
        policy_(Unwrap(
            ParsePolicy("restore: in-place\n"
                        "restore_targets:\n"
                        "  dr: {kind: fake, options: {stage_dir: /srv/dr}, may_set: [bump]}\n",
                        directory + "/policy.yaml", jobs::TargetMethodsOf(kinds_)))),
        runner_(
            {.settings = &settings_,
             .kinds = &kinds_,
             .clock = &clock_,
             .random = &random_,
             .restores = &no_helper_,
             .policy = &policy_,
             .open_storage = [&storage](const StorageAddress&) -> Result<std::unique_ptr<Storage>> {
               return std::make_unique<testing::BorrowedStorage>(storage);
             }},
            [this](Event event) { Take(std::move(event)); }) {}

  // Runs a backup task to completion. Every wait ends with an event of the runner.
  Event Save(action::StartPrepare start) {
    runner_.Perform(start);
    Event event = Next();
    if (std::holds_alternative<event::TaskPrepared>(event)) {
      runner_.Perform(action::Cut{start.key});
      event = Next();
    }
    if (std::holds_alternative<event::TaskCut>(event)) {
      runner_.Perform(action::StartSave{start.key});
      event = Next();
    }
    return event;
  }
  Event Compose(const action::StartCompose& start) {
    runner_.Perform(start);
    Event event = Next();
    if (std::holds_alternative<event::SnapshotSealed>(event)) {
      runner_.Perform(action::WriteSnapshot{start.key});
      event = Next();
    }
    return event;
  }
  // Runs a restore that the core has verified, and returns its last event.
  Event Restore(action::StartRestore start) {
    runner_.Perform(start);
    return Next();
  }
  std::int64_t boot_ms() const {
    return std::chrono::duration_cast<std::chrono::milliseconds>(clock_.Boot().time_since_epoch())
        .count();
  }

 private:
  void Take(Event event) {
    if (std::holds_alternative<event::TaskProgress>(event)) return;
    {
      std::lock_guard lock(mutex_);
      events_.push_back(std::move(event));
    }
    come_.notify_all();
  }
  Event Next() {
    std::unique_lock lock(mutex_);
    come_.wait(lock, [this] { return !events_.empty(); });
    Event event = std::move(events_.front());
    events_.pop_front();
    return event;
  }

  std::vector<SourceKind> kinds_;
  AgentSettings settings_;
  Policy policy_;
  NoHelper no_helper_;
  SystemClock clock_;
  testing::SeededRandom random_;
  std::mutex mutex_;
  std::condition_variable come_;
  std::deque<Event> events_;
  TaskRunner runner_;  // last: its threads use the members above
};

struct Nodes {
  Nodes() {
    Unwrap(WriteFileAtomic(directory.path() + "/password", AsBytes("secret word\n"), 0600));
    Unwrap(repository::Repository::Init(
        storage, Secret("secret word"),
        {.user = "tester", .host = "testhost", .scrypt = testing::kCheapScrypt}, random, clock));
  }
  action::StartPrepare Order(const std::string& source) {
    return {.key = {Bytes(16, ++plans), 0},
            .run = run,
            .source = source,
            .repository = "main",
            .requester = "uid:0"};
  }
  // Returns `event` as an `Expected`. Otherwise fails the test and shows the task's error.
  template <typename Expected>
  static const Expected& As(const Event& event) {
    const auto* failed = std::get_if<event::TaskFailed>(&event);
    INFO((failed != nullptr ? failed->error.message : ""));
    REQUIRE(std::holds_alternative<Expected>(event));
    return std::get<Expected>(event);
  }
  static v1::Part PartOf(const Event& event) {
    return testing::Parsed<v1::Part>(As<event::TaskSaved>(event).part);
  }
  static v1::Composed ComposedOf(const Event& event) {
    return testing::Parsed<v1::Composed>(As<event::TaskComposed>(event).composed);
  }
  static action::PartReference ReferenceTo(const v1::Part& part, BackupScope scope) {
    return {.node = part.node(), .tree_id = ToBytes(part.tree_id()), .scope = scope};
  }
  action::StartCompose ComposeOrder(TaskKey key, const std::string& source,
                                    const std::string& host) {
    return {.key = std::move(key),
            .run = run,
            .source = source,
            .repository = "main",
            .host = host,
            .write_until_boot_ms = first.boot_ms() + 600'000};
  }

  TempDir directory = Unwrap(TempDir::Create("runner"));
  testing::MemoryStorage storage;
  testing::SeededRandom random;
  SystemClock clock;
  testing::ShardedWorld shop = testing::ShardedWorld::Small();
  testing::FakeWorld world;
  std::string run = MakeUlid(clock, random);
  std::uint8_t plans = 0;
  Node first{shop, world, storage, directory.path(), "n1"};
  Node second{shop, world, storage, directory.path(), "n2"};
};

TEST_CASE("task runner: the shards of two nodes and the rest become one complete snapshot") {
  Nodes nodes;
  action::StartPrepare order = nodes.Order("shop/s");
  order.scope = BackupScope::kLead;
  const v1::Part lead = Nodes::PartOf(nodes.first.Save(order));
  CHECK(lead.data());
  order = nodes.Order("shop/s");
  order.scope = BackupScope::kShards;
  const v1::Part shards = Nodes::PartOf(nodes.second.Save(order));
  CHECK_FALSE(shards.data());
  CHECK_FALSE(shards.rest());
  order = nodes.Order("shop/s");
  order.scope = BackupScope::kRest;
  for (const v1::Part* part : {&lead, &shards})
    order.others.push_back(Nodes::ReferenceTo(*part, order.scope));
  const v1::Part rest = Nodes::PartOf(nodes.second.Save(order));
  CHECK(rest.rest());
  CHECK_FALSE(rest.data());
  CHECK(rest.items() == 2);

  action::StartCompose compose = nodes.ComposeOrder({Bytes(16, 99), 0}, "shop/s", "prod");
  for (const auto& [scope, part] : {std::pair(BackupScope::kLead, &lead),
                                    {BackupScope::kShards, &shards},
                                    {BackupScope::kRest, &rest}})
    compose.parts.push_back(Nodes::ReferenceTo(*part, scope));
  const v1::Composed composed = Nodes::ComposedOf(nodes.first.Compose(compose));

  CHECK_FALSE(composed.partial());
  CHECK(composed.missing_count() == 0);
}

// A snapshot of "fake/one", and orders to restore it to "dr".
struct SavedNodes : Nodes {
  SavedNodes() {
    const action::StartPrepare order = Order("fake/one");
    const v1::Part part = PartOf(first.Save(order));
    action::StartCompose compose = ComposeOrder(order.key, "fake/one", "n1");
    compose.parts.push_back(ReferenceTo(part, order.scope));
    composed = ComposedOf(first.Compose(compose));
    world.steps.clear();
  }
  v1::Plan ToTarget() {
    v1::Plan plan;
    plan.set_plan_id(std::string(16, 'p'));
    plan.set_cluster_id("01HF7777777777777777777777");
    plan.set_node("n1");
    plan.set_sequence(1);
    plan.set_run(run);
    v1::RestoreOrder& order = *plan.mutable_restore();
    order.set_repository("main");
    order.set_snapshot(composed.snapshot());
    order.set_source("fake/one");
    order.set_host(composed.host());
    order.set_run(run);
    order.set_time_ms(composed.time_ms());
    order.mutable_named()->set_name("dr");
    return plan;
  }
  action::StartRestore Start(const v1::Plan& plan) {
    const Bytes payload = ToBytes(plan.SerializeAsString());
    const crypto::SigningKey key = crypto::SigningKey::Generate(random);
    return {.key = {Bytes(16, ++plans), 0},
            .envelope = trust::Sign(trust::PayloadType::kPlan, payload, key)};
  }
  v1::Restored Restored(const v1::Plan& plan) {
    return testing::Parsed<v1::Restored>(As<event::TaskDone>(first.Restore(Start(plan))).result);
  }

  v1::Composed composed;
};

TEST_CASE("task runner: a restore to a target runs in the agent, as the policy fixes it") {
  SavedNodes nodes;
  v1::Plan plan = nodes.ToTarget();
  v1::Restored restored = nodes.Restored(plan);
  CHECK(restored.lines(0) == "staged in /srv/dr");
  CHECK_FALSE(restored.has_partly());
  CHECK(nodes.world.steps == std::vector<std::string>{"stage dir"});

  v1::TargetOption& option = *plan.mutable_restore()->mutable_named()->add_options();
  option.set_name("bump");
  option.add_values("3");
  restored = nodes.Restored(plan);
  CHECK(restored.partly().code() == "busy");
  CHECK(restored.lines_size() == 1);

  plan.mutable_restore()->mutable_named()->set_dry_run(true);
  restored = nodes.Restored(plan);
  CHECK(restored.dry_run());
  REQUIRE(restored.plan_size() == 1);
  CHECK(restored.plan(0).target() == "b");
}

TEST_CASE("task runner: a forbidden target restore fails before it starts, and none runs twice") {
  SavedNodes nodes;
  const auto failed = [&](const action::StartRestore& start) {
    const Event event = nodes.first.Restore(start);
    REQUIRE(std::holds_alternative<event::TaskFailed>(event));
    CHECK(nodes.world.steps.empty());
    return std::get<event::TaskFailed>(event).error;
  };
  v1::Plan plan = nodes.ToTarget();
  v1::TargetOption& option = *plan.mutable_restore()->mutable_named()->add_options();
  option.set_name("stage_dir");
  option.add_values("/etc");
  CHECK(failed(nodes.Start(plan)).code == "denied");
  plan = nodes.ToTarget();
  for (const auto& spoil : std::vector<std::function<void(v1::RestoreOrder&)>>{
           [](v1::RestoreOrder& order) { order.set_source("fake/other"); },
           [](v1::RestoreOrder& order) { order.set_host("n2"); },
           [](v1::RestoreOrder& order) { order.set_run("01BX5ZZKBKACTAV9WEVGEMMVRZ"); },
           [](v1::RestoreOrder& order) { order.set_time_ms(order.time_ms() + 1); },
           [](v1::RestoreOrder& order) { order.set_safety(true); }}) {
    for (const bool is_dry_run : {false, true}) {
      plan = nodes.ToTarget();
      spoil(*plan.mutable_restore());
      plan.mutable_restore()->mutable_named()->set_dry_run(is_dry_run);
      CHECK(failed(nodes.Start(plan)).code == "denied");
    }
  }

  action::StartRestore again = nodes.Start(nodes.ToTarget());
  again.resumed = true;  // after a crash: what the restore did is unknown
  const TaskError error = failed(again);
  CHECK(error.code == "unavailable");
  CHECK(error.began);
}

TEST_CASE("task runner: a resumed restore that is stopped is reported as begun") {
  SavedNodes nodes;
  v1::Plan plan = nodes.ToTarget();
  plan.mutable_restore()->mutable_in_place();
  for (const bool is_resumed : {false, true}) {
    action::StartRestore start = nodes.Start(plan);
    start.resumed = is_resumed;
    const Event event = nodes.first.Restore(start);
    REQUIRE(std::holds_alternative<event::TaskFailed>(event));
    CHECK(std::get<event::TaskFailed>(event).error.began == is_resumed);
  }
}

TEST_CASE("task runner: sharded orders for unsharded sources are refused, and the reverse") {
  Nodes nodes;
  action::StartPrepare sharded = nodes.Order("fake/one");
  sharded.scope = BackupScope::kLead;
  const action::StartPrepare whole = nodes.Order("shop/s");
  for (const action::StartPrepare& order : {sharded, whole}) {
    const Event event = nodes.first.Save(order);
    REQUIRE(std::holds_alternative<event::TaskFailed>(event));
    const TaskError& error = std::get<event::TaskFailed>(event).error;
    CHECK(error.code == "unsupported");
    CHECK_FALSE(error.retryable);
    CHECK_FALSE(error.began);
  }
  CHECK(nodes.world.steps.empty());
  CHECK(nodes.shop.open_sessions == 0);
}

}  // namespace
}  // namespace holdfast::agent
