// An agent core with an in-memory journal, and a controller that sends what a test makes it send.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "agent/core/agent_core.h"
#include "proto/holdfast/v1/agent.pb.h"
#include "tests/support/catch.h"
#include "tests/support/cheap_agent_trust.h"
#include "tests/support/memory_journal.h"
#include "tests/support/messages.h"
#include "tests/support/seeded_random.h"

namespace holdfast::agent {

class Fixture {
 public:
  explicit Fixture(Options options = {}) : options_(std::move(options)) {
    journal.identity = {.cluster_id = kCluster,
                        .cluster = "prod",
                        .node = "a",
                        .incarnation = 1,
                        .root_version = 1};
    options_.version = "1";
    options_.boot_id = "boot";
    for (const char* name : {"etcd/main", "files/app", "files/b", "files/c"})
      options_.sources[name] = {"main", "local"};
    options_.repositories = {"main"};
    Start();
  }
  // Also restarts after a crash: keeps only what was journaled.
  void Start() {
    StartUnheld();
    Step(event::PartsHeld{});
  }
  void StartUnheld() {
    trust.Restart(journal.identity.root_version);
    core = std::make_unique<AgentCore>(options_, journal.Load(), trust, random);
    Step(event::Started{});
  }

  const Effects& Step(Event event) {
    last = core->Step({wall_ms, boot_ms}, event);
    journal.Apply(last.changes);
    for (const Action& action : last.actions) {
      actions.push_back(action);
      if (const auto* send = std::get_if<action::Send>(&action)) {
        auto message = testing::Parsed<v1::AgentMessage>(send->message);
        if (message.has_hello()) nonce = message.hello().nonce();
        sent.push_back(std::move(message));
      }
    }
    return last;
  }
  void Pass(std::int64_t ms) {
    const std::int64_t until = boot_ms + ms;
    while (core->NextWake() <= until) {
      const std::int64_t by = std::max<std::int64_t>(0, core->NextWake() - boot_ms);
      boot_ms += by;
      wall_ms += by;
      Step(event::TimePassed{});
    }
    wall_ms += until - boot_ms;
    boot_ms = until;
  }

  void Say(const v1::ControllerMessage& message) {
    Step(event::MessageReceived{ToBytes(message.SerializeAsString())});
  }
  // Answers a Hello as a controller whose newest root document is `newest`, and sends the agent's
  // next one.
  void Answer(std::uint64_t taken = 0, std::uint64_t newest = 1) {
    v1::Fresh fresh;
    fresh.set_node("a");
    fresh.set_nonce(nonce);
    fresh.set_now_ms(wall_ms);
    fresh.set_controller_epoch(1);
    fresh.set_root_version(newest);
    v1::ControllerMessage message;
    if (journal.identity.root_version < newest) {
      const Bytes root = testing::CheapRoot(journal.identity.root_version + 1);
      message.mutable_hello_answer()->set_root(std::string(AsText(root)));
    }
    const Bytes envelope = testing::CheapEnvelope(
        testing::kFreshType, ToBytes(fresh.SerializeAsString()), {testing::CheapKey("controller")});
    message.mutable_hello_answer()->set_fresh(std::string(AsText(envelope)));
    message.mutable_hello_answer()->set_heartbeat_ms(30'000);
    message.mutable_hello_answer()->set_lease_ms(120'000);
    message.mutable_hello_answer()->set_report_sequence(taken);
    Say(message);
  }
  v1::Plan NewPlan(char id) {
    v1::Plan plan;
    plan.set_plan_id(std::string(16, id));
    plan.set_cluster_id(kCluster);
    plan.set_node("a");
    plan.set_incarnation(1);
    plan.set_sequence(++sequence);
    plan.set_issued_at_ms(wall_ms);
    plan.set_not_before_ms(wall_ms);
    plan.set_expires_at_ms(wall_ms + 3'600'000);
    plan.set_controller_epoch(1);
    plan.set_run("RUN");
    return plan;
  }
  v1::Plan BackupPlan(char id, const std::vector<std::string>& sources, bool compose) {
    v1::Plan plan = NewPlan(id);
    plan.mutable_backup()->set_cut_wait_ms(15'000);
    for (const std::string& source : sources) {
      v1::BackupTask& task = *plan.mutable_backup()->add_tasks();
      task.set_source(source);
      task.set_repository("main");
      task.set_data(true);
      task.set_compose(compose);
    }
    return plan;
  }
  // An order to compose etcd/main, without parts.
  v1::Plan ComposePlan(char id) {
    v1::Plan plan = NewPlan(id);
    plan.mutable_compose()->set_source("etcd/main");
    plan.mutable_compose()->set_repository("main");
    return plan;
  }
  v1::Plan RestorePlan(char id) {
    v1::Plan plan = NewPlan(id);
    plan.mutable_restore()->mutable_staging()->set_root("staging");
    return plan;
  }
  void Order(const v1::Plan& plan, const std::vector<std::string>& operators = {}) {
    std::vector<Bytes> keys = {testing::CheapKey("controller")};
    for (const std::string& person : operators) keys.push_back(testing::CheapKey(person));
    v1::ControllerMessage message;
    const Bytes envelope =
        testing::CheapEnvelope(testing::kPlanType, ToBytes(plan.SerializeAsString()), keys);
    message.mutable_plans()->add_envelopes(std::string(AsText(envelope)));
    Say(message);
  }
  void OrderCut(char id, char backup) {
    v1::Plan plan = NewPlan(id);
    plan.mutable_cut()->set_backup_plan_id(std::string(16, backup));
    Order(plan);
  }
  void OrderEnd(char id) {
    v1::Plan plan = NewPlan(id);
    plan.mutable_end();
    Order(plan);
  }
  static TaskKey Key(char id, std::uint32_t task = 0) {
    return {Bytes(16, static_cast<std::uint8_t>(id)), task};
  }
  // Prepares, cuts and saves the task.
  void Save(char id, std::uint32_t task = 0) {
    Step(event::TaskPrepared{Key(id, task)});
    if (Count<action::Cut>() == 0) OrderCut(static_cast<char>(id + 50), id);
    Step(event::TaskCut{Key(id, task), wall_ms});
    v1::Part part;
    part.set_tree_id(std::string(32, 't'));
    Step(event::TaskSaved{Key(id, task), ToBytes(part.SerializeAsString())});
  }

  // The bytes of a Composed message.
  static Bytes ComposedBytes() {
    v1::Composed composed;
    composed.set_snapshot(std::string(32, 's'));
    return ToBytes(composed.SerializeAsString());
  }
  // Seals the snapshot of the task.
  void Seal(char id) {
    Step(event::SnapshotSealed{Key(id), Bytes(32, 1), Bytes(9, 1), ComposedBytes()});
  }

  template <typename Wanted>
  std::size_t Count() const {
    return static_cast<std::size_t>(std::ranges::count_if(
        actions, [](const Action& one) { return std::holds_alternative<Wanted>(one); }));
  }
  template <typename Wanted>
  const Wanted& Last() const {
    for (auto one = actions.rbegin(); one != actions.rend(); ++one) {
      if (const auto* found = std::get_if<Wanted>(&*one)) return *found;
    }
    FAIL("no such action");
    return std::get<Wanted>(actions.front());
  }
  // All reports in the journal.
  std::vector<v1::Report> Reports() const {
    std::vector<v1::Report> all;
    for (const auto& [number, record] : journal.reports) {
      const std::optional<testing::CheapOpened> opened = testing::OpenCheap(record.envelope);
      REQUIRE(opened.has_value());
      all.push_back(testing::Parsed<v1::Report>(opened->payload));
    }
    return all;
  }

  static constexpr const char* kCluster = "01ARZ3NDEKTSV4RRFFQ69G5FAV";
  testing::MemoryJournal journal;
  testing::CheapAgentTrust trust{kCluster, "a", {"etcd/main", "files/app", "files/b", "files/c"}};
  testing::SeededRandom random{3};
  std::unique_ptr<AgentCore> core;
  std::int64_t wall_ms = 1'700'000'000'000;
  std::int64_t boot_ms = 50'000;
  std::uint64_t sequence = 0;
  std::string nonce;
  Effects last;
  std::vector<Action> actions;
  std::vector<v1::AgentMessage> sent;

 private:
  Options options_;
};

// An agent whose Hello was answered.
struct ConnectedFixture : Fixture {
  explicit ConnectedFixture(Options options = {}) : Fixture(std::move(options)) { Answer(); }
};

}  // namespace holdfast::agent
