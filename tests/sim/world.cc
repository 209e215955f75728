#include "tests/sim/world.h"

#include <iostream>

#include "common/base/format.h"
#include "proto/holdfast/v1/agent.pb.h"
#include "proto/holdfast/v1/plan.pb.h"

namespace holdfast::sim {
namespace {

constexpr std::int64_t kBackupLifeMs = 40 * kMinuteMs;
// After healing: what still runs ends by its own limits, and all are informed. An agent that
// refused the end because of its clock keeps its locks until its plan expires: an hour after the
// run's life, plus the error of its clock.
constexpr std::int64_t kConvergeMs = kBackupLifeMs + 135 * kMinuteMs;

}  // namespace

World::World(std::uint64_t seed, const Planted& planted, bool is_verbose)
    : seed_(seed),
      planted_(planted),
      is_verbose_(is_verbose),
      random_(seed * 0x9e3779b97f4a7c15ULL + 1) {
  catalog_.cluster = {.cluster_id = kClusterId,
                      .cluster = "prod",
                      .epoch = 1,
                      .root_version = 1,
                      .root = testing::CheapRoot(1)};
  catalog_.roots[1] = {1, testing::CheapRoot(1)};
  const int agents = static_cast<int>(Between(2, 4));
  for (int i = 0; i < agents; ++i) {
    auto agent = std::make_unique<Agent>();
    agent->index = i;
    agent->node = "n" + std::to_string(i);
    if (i < 3) agent->sources["etcd/main"] = {"main", "replicated"};
    if (i > 0) agent->sources["files/app"] = {"main", "local"};
    if (i != 1) agent->sources["shop/main"] = {"main", "sharded"};
    std::set<std::string> names;
    for (const auto& [name, info] : agent->sources) names.insert(name);
    agent->trust = std::make_unique<testing::CheapAgentTrust>(kClusterId, agent->node, names);
    agent->journal.identity = {.cluster_id = kClusterId,
                               .cluster = "prod",
                               .node = agent->node,
                               .incarnation = 1,
                               .root_version = 1};
    catalog_.agents[agent->node] = {.node = agent->node,
                                    .incarnation = 1,
                                    .signing_key = testing::CheapKey(agent->node),
                                    .curve_key = testing::CheapKey("curve " + agent->node)};
    agents_.push_back(std::move(agent));
  }
  leaders_.resize(kShards);
  for (int& leader : leaders_) leader = static_cast<int>(Between(0, agents));
  fault_end_ms_ = Between(3, 25) * kMinuteMs;
  // Not every seed has every fault, because some bugs only show if other faults are absent.
  auto maybe = [this](std::uint64_t often) { return OneIn(2) ? often : 0; };
  loss_ = maybe(8);
  doubling_ = maybe(6);
  delay_ = maybe(12);
  crash_ = maybe(static_cast<std::uint64_t>(Between(60, 600)));
  job_fault_ = maybe(8);
}

World::~World() = default;

void World::At(std::int64_t at_ms, std::function<void()> what) {
  queue_.push({at_ms, order_++, std::move(what)});
}

void World::Violate(const std::string& text) {
  if (outcome_.violation.empty()) outcome_.violation = fmt::format("{} (at {} ms)", text, now_ms_);
}

void World::Say(const std::string& text) {
  if (is_verbose_) std::cout << fmt::format("{:>9} {}\n", now_ms_, text);
}

void World::RunUntil(std::int64_t until_ms) {
  while (!queue_.empty() && queue_.top().at_ms <= until_ms && outcome_.violation.empty()) {
    now_ms_ = queue_.top().at_ms;
    // The top is const only to protect the queue's order. It is popped in the next line.
    const std::function<void()> what = queue_.top().what;
    queue_.pop();
    what();
    ++outcome_.steps;
  }
  now_ms_ = std::max(now_ms_, until_ms);
}

Outcome World::Run() {
  StartController();
  for (auto& agent : agents_) StartAgent(*agent);
  RunUntil(1'000);
  ScheduleScenario();
  MakeFaults();
  RunUntil(fault_end_ms_);
  Heal();
  RunUntil(fault_end_ms_ + kConvergeMs);
  if (outcome_.violation.empty()) CheckConverged();
  if (outcome_.violation.empty()) CheckRebuilt();
  outcome_.snapshots = repository_.snapshots.size();
  for (const auto& [name, run] : catalog_.runs) {
    outcome_.runs_done += run.state == controller::RunState::kDone ? 1 : 0;
  }
  return outcome_;
}

// --- the scenario: requests of operators, and attacks

void World::ScheduleScenario() {
  const std::int64_t requests = Between(1, 5);
  for (std::int64_t i = 0; i < requests; ++i)
    At(Between(1'000, fault_end_ms_), [this] { Request(); });
  if (OneIn(2)) {
    for (int i = 0; i < 3; ++i) At(Between(1'000, fault_end_ms_), [this] { Attack(); });
  }
  if (OneIn(3)) {
    for (std::int64_t i = Between(1, 6); i > 0; --i)
      At(Between(1'000, fault_end_ms_), [this] { Rotate(); });
  }
}

// The persons of the root document have signed the next one.
void World::Rotate() {
  const std::uint64_t version = catalog_.cluster.root_version + 1;
  Say(fmt::format("root document {}", version));
  StepController(
      controller::event::RootChanged{3, version, 1, testing::CheapRoot(version), "uid:0"});
}

void World::Request() {
  if (controller_ == nullptr) return;
  namespace event = controller::event;
  switch (Below(10)) {
    case 0: {
      const std::vector<std::string> runs = controller_->OpenRuns();
      if (!runs.empty())
        StepController(event::CancelRequested{1, runs[Below(runs.size())], "uid:0"});
      return;
    }
    case 1:
      StepController(event::RunRequested{
          .request = 1, .kind = controller::OrderKind::kProbe, .actor = "uid:0"});
      return;
    case 2:
      StepController(event::RunRequested{
          .request = 1, .kind = controller::OrderKind::kInventory, .actor = "uid:0"});
      return;
    case 3: {
      const Agent& agent = *agents_[Below(agents_.size())];
      StepController(event::RestoreRequested{.request = 1,
                                             .node = agent.node,
                                             .source = "files/app",
                                             .repository = "main",
                                             .snapshot = Bytes(32, 1),
                                             .root = "staging",
                                             .directory = "x",
                                             .actor = "uid:0"});
      return;
    }
    default:
      StepController(event::RunRequested{.request = 1,
                                         .selectors = {OneIn(3)   ? "etcd/main"
                                                       : OneIn(3) ? "shop/main"
                                                                  : "*"},
                                         .queue_if_busy = OneIn(2),
                                         .splay_ms = OneIn(3) ? 5'000U : 0U,
                                         .actor = "uid:0"});
  }
}

// An attacker has the controller's key but no operator's: orders a restore, or reuses a known id
// for another plan.
void World::Attack() {
  Agent& agent = *agents_[Below(agents_.size())];
  v1::Plan plan;
  Bytes id(16);
  random_.Fill(id);
  plan.set_plan_id(std::string(AsText(id)));
  plan.set_cluster_id(kClusterId);
  plan.set_node(agent.node);
  plan.set_incarnation(1);
  plan.set_sequence((1ULL << 40) + Below(1ULL << 30));
  plan.set_issued_at_ms(AgentTime(agent).wall_ms);
  plan.set_not_before_ms(plan.issued_at_ms());
  plan.set_expires_at_ms(plan.issued_at_ms() + 3'600'000);
  plan.set_controller_epoch(1);
  plan.set_run("01BX5ZZKBKACTAV9WEVGEMMVRZ");
  if (OneIn(2) && !agent.journal.plans.empty()) {
    // With an id that is known or below the floor.
    const agent::PlanRecord& known = agent.journal.plans.begin()->second;
    plan.set_plan_id(std::string(AsText(known.plan_id)));
    plan.set_sequence(known.sequence);
    plan.mutable_probe();
  } else {
    plan.mutable_restore()->mutable_staging()->set_root("staging");
  }
  v1::ControllerMessage message;
  const Bytes envelope = testing::CheapEnvelope(
      testing::kPlanType, ToBytes(plan.SerializeAsString()), {testing::CheapKey("controller")});
  message.mutable_plans()->add_envelopes(std::string(AsText(envelope)));
  Say("attack on " + agent.node);
  ToAgent(agent, ToBytes(message.SerializeAsString()));
}

// --- faults

void World::MakeFaults() {
  auto often = [this](std::int64_t times, const std::function<void()>& what) {
    for (std::int64_t i = Between(0, times); i > 0; --i) At(Between(1'000, fault_end_ms_), what);
  };
  auto any = [this]() -> Agent& { return *agents_[Below(agents_.size())]; };
  auto span = [this] {
    return OneIn(4) ? Between(kMinuteMs, 8 * kMinuteMs) : Between(100, 30'000);
  };
  if (OneIn(2)) {
    often(4, [this, any, span] {
      Agent& agent = any();
      agent.cut_off_until_ms = now_ms_ + span();
      Say("cut off " + agent.node);
    });
  }
  if (OneIn(2)) {
    often(4, [this, any] { CrashAgent(any()); });
    often(3, [this] { CrashController(); });
  }
  if (OneIn(3)) {
    often(3, [this, any, span] { any().disk_full_until_ms = now_ms_ + span(); });
    often(2, [this, span] { controller_disk_full_until_ms_ = now_ms_ + span(); });
  }
  if (OneIn(3)) {
    often(2, [this, span] { slow_until_ms_ = now_ms_ + 2 * span(); });
  }
  if (OneIn(3)) {
    auto jump = [this] {
      return OneIn(2) ? Between(-5'000, 5'000) : Between(-60 * kMinuteMs, 60 * kMinuteMs);
    };
    often(3, [any, jump] { any().offset_ms = jump(); });
    often(2, [this, jump] { controller_offset_ms_ = jump(); });
  }
  for (std::int64_t at = Between(1'000, 60'000); at < fault_end_ms_;
       at += Between(5'000, 120'000)) {
    At(at, [this] { Prune(); });
  }
}

// Removes packs that no snapshot needs, unless a live lock prevents it.
void World::Prune() {
  for (const auto& [id, lock] : repository_.locks) {
    const Agent& agent = *agents_[static_cast<std::size_t>(lock.agent)];
    const bool is_held = agent.is_alive && agent.life == lock.life;
    if (is_held || now_ms_ - agent.down_since_ms < kLockStaleMs) return;
  }
  std::set<int> needed;
  for (const auto& [id, snapshot] : repository_.snapshots)
    needed.insert(snapshot.packs.begin(), snapshot.packs.end());
  for (const auto& agent : agents_) {
    const bool is_covered =
        agent->is_alive ? agent->is_held : now_ms_ - agent->down_since_ms < kLockStaleMs;
    if (!is_covered) continue;
    for (const auto& [key, record] : agent->journal.parts) {
      v1::Part part;
      part.ParseFromArray(record.part.data(), static_cast<int>(record.part.size()));
      for (int pack : repository_.parts[ToBytes(part.tree_id())]) {
        if (repository_.packs.contains(pack) && !needed.contains(pack)) {
          Violate(fmt::format("prune may take a pack of a part of {} that waits for its snapshot",
                              agent->node));
          return;
        }
      }
    }
  }
  std::erase_if(repository_.packs, [&](int pack) { return !needed.contains(pack); });
}

void World::Heal() {
  Say("healed");
  is_healed_ = true;
  loss_ = doubling_ = delay_ = crash_ = job_fault_ = 0;
  slow_until_ms_ = 0;
  controller_disk_full_until_ms_ = 0;
  controller_offset_ms_ = 0;
  for (auto& agent : agents_) {
    agent->cut_off_until_ms = 0;
    agent->disk_full_until_ms = 0;
    agent->offset_ms = 0;
    if (!agent->is_alive) StartAgent(*agent);
  }
  if (controller_ == nullptr) StartController();
}

// --- what must hold in the end

void World::CheckConverged() {
  for (const auto& [name, run] : catalog_.runs) {
    if (!IsFinal(run.state) || !run.closed) {
      Violate(fmt::format("run {} is {} and {}, long after all was well again", name,
                          RunStateName(run.state), run.closed ? "closed" : "open"));
      return;
    }
  }
  for (const auto& agent : agents_) {
    if (!agent->core->Tasks().empty())
      Violate(agent->node + " still has tasks, long after all was well again");
    if (!agent->journal.parts.empty())
      Violate(agent->node + " still keeps parts, long after all was well again");
    if (agent->journal.identity.root_version != catalog_.cluster.root_version) {
      Violate(fmt::format(
          "{} has root document {}, the newest is {}, long after all was well again", agent->node,
          agent->journal.identity.root_version, catalog_.cluster.root_version));
    }
    if (!agent->core->is_connected())
      Violate(agent->node + " is not connected, long after all was well again");
    const std::uint64_t cursor = catalog_.agents.at(agent->node).report_sequence;
    if (cursor != agent->journal.identity.report_sequence) {
      Violate(fmt::format("{} has made {} reports, {} are taken, long after all was well again",
                          agent->node, agent->journal.identity.report_sequence, cursor));
    }
  }
  for (const auto& [id, lock] : repository_.locks) {
    const Agent& agent = *agents_[static_cast<std::size_t>(lock.agent)];
    if (agent.is_alive && agent.life == lock.life) {
      Violate(agent.node + " still holds a lock, long after all was well again");
    }
  }
}

void World::CheckSnapshots(const std::string& when) {
  for (const auto& [id, snapshot] : repository_.snapshots) {
    if (!catalog_.snapshots.contains({"main", id})) {
      Violate(fmt::format("{}, the catalog lacks a snapshot of {}, run {}", when, snapshot.source,
                          snapshot.run));
    }
    if (!repository_.HasAll(snapshot.packs)) Violate("a snapshot lacks packs");
  }
  if (catalog_.snapshots.size() != repository_.snapshots.size()) {
    Violate(fmt::format("{}, the catalog has {} snapshots and the repository {}", when,
                        catalog_.snapshots.size(), repository_.snapshots.size()));
  }
}

// Checks the catalog, then one rebuilt from the repository and the agents.
void World::CheckRebuilt() {
  namespace event = controller::event;
  auto inventory = [this] {
    StepController(event::RunRequested{
        .request = 1, .kind = controller::OrderKind::kInventory, .actor = "uid:0"});
    RunUntil(now_ms_ + 15 * kMinuteMs);
  };
  inventory();
  CheckSnapshots("after an inventory");
  if (!outcome_.violation.empty()) return;

  // State that is kept in separate files is available at once.
  testing::MemoryCatalog fresh;
  fresh.cluster = catalog_.cluster;
  fresh.roots = catalog_.roots;
  for (const auto& [node, record] : catalog_.agents) {
    controller::AgentRecord& agent = fresh.agents[node];
    agent.node = node;
    agent.incarnation = record.incarnation;
    agent.signing_key = record.signing_key;
    agent.curve_key = record.curve_key;
  }
  const testing::MemoryCatalog before = std::exchange(catalog_, std::move(fresh));
  task_states_.clear();
  unique_audits_.clear();
  reports_taken_.clear();
  CrashController();
  RunUntil(now_ms_ + 20 * kMinuteMs);
  for (const auto& [node, agent] : catalog_.agents) {
    if (agent.report_sequence != before.agents.at(node).report_sequence) {
      Violate(fmt::format("of {} reports of {}, {} came again for the new catalog",
                          before.agents.at(node).report_sequence, node, agent.report_sequence));
    }
  }
  if (outcome_.violation.empty()) inventory();
  CheckSnapshots("rebuilt");
  for (const auto& [key, snapshot] : before.snapshots) {
    auto found = catalog_.snapshots.find(key);
    if (found != catalog_.snapshots.end() &&
        (found->second.source != snapshot.source || found->second.run != snapshot.run ||
         found->second.host != snapshot.host || found->second.partial != snapshot.partial)) {
      Violate("the rebuilt catalog says something else of a snapshot");
    }
  }
}

}  // namespace holdfast::sim
