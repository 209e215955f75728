// Performs the cores' effects: record first, then send. A process may die between any two steps,
// and loses what is not synced.
#include "common/base/deadlines.h"
#include "common/base/format.h"
#include "proto/holdfast/v1/plan.pb.h"
#include "tests/sim/world.h"

namespace holdfast::sim {
namespace {

controller::Options ControllerOptions(const Planted& planted) {
  controller::Options options;
  options.backup_life_ms = 40 * kMinuteMs;
  options.inventory_life_ms = 20 * kMinuteMs;
  options.restore_life_ms = 30 * kMinuteMs;
  options.draft_life_ms = 10 * kMinuteMs;
  options.planted_bug = planted.controller;
  return options;
}

}  // namespace

// --- the bus

std::int64_t World::Transit() {
  return delay_ != 0 && OneIn(delay_) ? Between(100, OneIn(4) ? 20'000 : 2'000) : Between(1, 8);
}

void World::ToAgent(Agent& agent, const Bytes& message) {
  if (now_ms_ < std::max(agent.cut_off_until_ms, agent.hung_until_ms) || OneIn(loss_)) return;
  for (int copies = OneIn(doubling_) ? 2 : 1; copies > 0; --copies) {
    In(Transit(), [this, &agent, message] {
      if (agent.is_alive) StepAgent(agent, agent::event::MessageReceived{message});
    });
  }
}

void World::ToController(Agent& agent, const Bytes& message) {
  if (now_ms_ < std::max(agent.cut_off_until_ms, agent.hung_until_ms) || OneIn(loss_)) return;
  for (int copies = OneIn(doubling_) ? 2 : 1; copies > 0; --copies) {
    In(Transit(), [this, node = agent.node, message] {
      if (controller_ != nullptr) StepController(controller::event::MessageReceived{node, message});
    });
  }
}

// --- the controller

void World::StartController() {
  ++controller_life_;
  controller_pending_.clear();
  is_controller_commit_due_ = false;
  task_states_.clear();
  for (const auto& [key, task] : catalog_.tasks) task_states_[key] = task.state;
  controller_ = std::make_unique<controller::ControllerCore>(
      ControllerOptions(planted_), catalog_.Load(), controller_trust_, random_);
  Say("controller starts");
  StepController(controller::event::Started{"sim"});
}

void World::CrashController() {
  if (controller_ == nullptr) return;
  Say("controller crashes");
  ++outcome_.crashes;
  ++controller_life_;
  controller_.reset();
  controller_pending_.clear();
  In(OneIn(5) ? Between(1'000, 5 * kMinuteMs) : Between(10, 5'000), [this] {
    if (controller_ == nullptr) StartController();
  });
}

void World::StepController(const controller::Event& event) {
  if (controller_ == nullptr) return;
  controller::Effects effects = controller_->Step(ControllerTime(), event);
  CheckControllerStep(effects);
  if (planted_.speak_first) {
    for (const controller::Action& action : effects.actions) PerformController(action);
    effects.actions.clear();
  }
  controller_pending_.push_back(std::move(effects));
  if (OneIn(crash_)) {
    CrashController();
    return;
  }
  WakeController();
  if (is_controller_commit_due_) return;
  is_controller_commit_due_ = true;
  In(Between(0, 3), [this, life = controller_life_] {
    if (life == controller_life_) CommitController();
  });
}

void World::WakeController() {
  const std::int64_t at_ms = controller_->NextWake();
  if (at_ms == Deadlines<int>::kNever ||
      (controller_wake_ms_ > now_ms_ && controller_wake_ms_ <= at_ms))
    return;
  controller_wake_ms_ = std::max(at_ms, now_ms_ + 1);
  At(controller_wake_ms_, [this, life = controller_life_, wake = controller_wake_ms_] {
    if (life != controller_life_ || wake != controller_wake_ms_) return;
    controller_wake_ms_ = 0;
    StepController(controller::event::TimePassed{});
  });
}

// Commits all pending changes in one transaction, then performs their actions.
void World::CommitController() {
  is_controller_commit_due_ = false;
  std::vector<controller::Effects> batch = std::exchange(controller_pending_, {});
  bool has_changes = false;
  for (const controller::Effects& effects : batch)
    has_changes = has_changes || !effects.changes.empty();
  if (has_changes && now_ms_ < controller_disk_full_until_ms_) {
    CrashController();  // the core has state that is not durable
    return;
  }
  for (const controller::Effects& effects : batch) {
    catalog_.Apply(effects.changes);
    CheckControllerCommit(effects);
  }
  const int life = controller_life_;
  for (const controller::Effects& effects : batch) {
    for (const controller::Action& action : effects.actions) {
      if (OneIn(crash_)) CrashController();
      if (life != controller_life_) return;
      PerformController(action);
    }
  }
}

void World::PerformController(const controller::Action& action) {
  if (const auto* send = std::get_if<controller::action::Send>(&action)) {
    for (auto& agent : agents_) {
      if (agent->node == send->node) ToAgent(*agent, send->message);
    }
  } else if (const auto* reply = std::get_if<controller::action::Reply>(&action)) {
    if (!reply->answer) {
      Say("reply: " + reply->answer.error().Text());
    } else if (!reply->answer->payload.empty() && reply->answer->approvals == 0) {
      // Anna looks at it, and usually signs.
      const controller::Answer draft = *reply->answer;
      if (OneIn(4)) return;
      In(Between(1'000, 60'000), [this, draft] {
        const Bytes key = testing::CheapKey("anna");
        StepController(controller::event::ApprovalGiven{
            2, draft.runs.front(), key,
            testing::CheapSignature(key, testing::kPlanType, draft.payload), "uid:1"});
      });
    }
  } else if (const auto* ended = std::get_if<controller::action::RunEnded>(&action)) {
    Say("run ended: " + ended->run + " " + std::string(RunStateName(ended->state)));
  } else if (const auto* note = std::get_if<controller::action::Note>(&action)) {
    Say("controller: " + note->text);
  }
}

namespace {

// Whether an audit event of this type can explain the task's new state.
bool Explains(const std::string& type, std::optional<controller::TaskState> before,
              controller::TaskState after) {
  using controller::TaskState;
  const bool is_planned = type == "plan.signed" || type == "run.requested" || type == "run.begun";
  if (!before && is_planned) return true;
  switch (after) {
    case TaskState::kLost:
      return type == "agent.lost" || is_planned;
    case TaskState::kPlanned:
      return type == "agent.returned";
    case TaskState::kAccepted:
      return type == "agent.returned" || type == "report.taken";
    case TaskState::kFailed:
    case TaskState::kCancelled:
      return type == "report.taken" || type == "run.ended" || type == "run.cancelled" ||
             type == "task.given_up" || type == "agent.joined" || type == "agent.revoked";
    default:
      return type == "report.taken";
  }
}

}  // namespace

// Each change has its audit event in the same step.
void World::CheckControllerStep(const controller::Effects& effects) {
  std::vector<const controller::AuditEntry*> entries;
  bool has_other = false;
  for (const controller::Change& change : effects.changes) {
    if (const auto* entry = std::get_if<controller::AuditEntry>(&change)) {
      entries.push_back(entry);
    } else if (!std::holds_alternative<controller::LastSeen>(change)) {
      has_other = true;
    }
  }
  if (has_other && entries.empty()) Violate("the catalog changes without an event");
  for (const controller::Change& change : effects.changes) {
    const auto* task = std::get_if<controller::TaskRecord>(&change);
    if (task == nullptr) continue;
    auto known = task_states_.find({task->run, task->number});
    const auto before = known == task_states_.end() ? std::nullopt : std::optional(known->second);
    task_states_[{task->run, task->number}] = task->state;
    if (before == task->state) continue;
    bool is_explained = false;
    for (const controller::AuditEntry* entry : entries)
      is_explained = is_explained || Explains(entry->type, before, task->state);
    if (!is_explained) {
      Violate(fmt::format("task {} of {} becomes {} without an event", task->number, task->run,
                          TaskStateName(task->state)));
    }
  }
}

void World::CheckControllerCommit(const controller::Effects& effects) {
  for (const controller::Change& change : effects.changes) {
    if (const auto* entry = std::get_if<controller::AuditEntry>(&change)) {
      std::string name;
      if (entry->type == "plan.signed") name = entry->type + entry->facts.at("plan");
      if (entry->type == "run.requested" || entry->type == "run.ended")
        name = entry->type + entry->run;
      if (!name.empty() && !unique_audits_.insert(name).second)
        Violate("two events of one change: " + entry->type);
      if (entry->type == "report.gap")
        reports_taken_[entry->subject] = std::stoull(entry->facts.at("first")) - 1;
      if (entry->type != "report.taken") continue;
      const std::uint64_t sequence = std::stoull(entry->facts.at("sequence"));
      std::uint64_t& last = reports_taken_[entry->subject];
      if (sequence <= last)
        Violate(fmt::format("report {} of {} is taken twice", sequence, entry->subject));
      if (sequence > last + 1)
        Violate(fmt::format("report {} of {} is passed over", last + 1, entry->subject));
      last = sequence;
      Say(fmt::format("taken: {} {} {} {}", entry->subject, sequence, entry->facts.at("outcome"),
                      entry->run));
    } else if (const auto* snapshot = std::get_if<controller::SnapshotRecord>(&change)) {
      auto found = repository_.snapshots.find(snapshot->snapshot);
      if (found == repository_.snapshots.end()) {
        Violate("a snapshot is recorded that is not there: " + snapshot->source);
      } else if (!repository_.HasAll(found->second.packs)) {
        Violate("a snapshot is recorded that lacks packs: " + snapshot->source);
      }
    }
  }
}

// --- agents

void World::StartAgent(Agent& agent) {
  ++agent.life;
  agent.is_alive = true;
  agent.is_held = false;
  agent.pending.clear();
  agent.is_commit_due = false;
  agent.wake_ms = 0;
  agent.jobs.clear();
  agent.part_locks.clear();
  if (OneIn(3)) ++agent.boot;
  agent::Options options;
  options.version = "sim";
  options.boot_id = fmt::format("{}-{}", agent.node, agent.boot);
  options.sources = agent.sources;
  options.repositories = {"main"};
  options.planted_bug = planted_.agent;
  agent.trust->Restart(agent.journal.identity.root_version);
  agent.core =
      std::make_unique<agent::AgentCore>(options, agent.journal.Load(), *agent.trust, random_);
  Say(agent.node + " starts");
  StepAgent(agent, agent::event::Started{});
}

void World::CrashAgent(Agent& agent) {
  if (!agent.is_alive) return;
  Say(agent.node + " crashes");
  ++outcome_.crashes;
  ++agent.life;  // nothing of the previous life may reach the next one
  agent.is_alive = false;
  agent.down_since_ms = now_ms_;
  agent.core.reset();
  agent.pending.clear();
  agent.jobs.clear();
  In(OneIn(10) ? Between(5 * kMinuteMs, 45 * kMinuteMs) : Between(10, 10'000), [this, &agent] {
    if (!agent.is_alive) StartAgent(agent);
  });
}

void World::StepAgent(Agent& agent, const agent::Event& event) {
  if (!agent.is_alive) return;
  agent.pending.push_back(agent.core->Step(AgentTime(agent), event));
  if (OneIn(crash_)) {
    CrashAgent(agent);
    return;
  }
  WakeAgent(agent);
  if (agent.is_commit_due) return;
  agent.is_commit_due = true;
  In(Between(0, 3), [this, &agent, life = agent.life] {
    if (life == agent.life) CommitAgent(agent);
  });
}

void World::WakeAgent(Agent& agent) {
  const std::int64_t at_ms = agent.core->NextWake();
  if (at_ms == Deadlines<int>::kNever || (agent.wake_ms > now_ms_ && agent.wake_ms <= at_ms))
    return;
  agent.wake_ms = std::max(at_ms, now_ms_ + 1);
  At(agent.wake_ms, [this, &agent, life = agent.life, wake = agent.wake_ms] {
    if (life != agent.life || wake != agent.wake_ms) return;
    agent.wake_ms = 0;
    StepAgent(agent, agent::event::TimePassed{});
  });
}

void World::CommitAgent(Agent& agent) {
  agent.is_commit_due = false;
  std::vector<agent::Effects> batch = std::exchange(agent.pending, {});
  bool has_changes = false;
  for (const agent::Effects& effects : batch) has_changes = has_changes || !effects.changes.empty();
  if (has_changes && now_ms_ < agent.disk_full_until_ms) {
    CrashAgent(agent);
    return;
  }
  for (const agent::Effects& effects : batch) {
    agent.journal.Apply(effects.changes);
    CheckAgentCommit(agent, effects);
  }
  const int life = agent.life;
  for (const agent::Effects& effects : batch) {
    for (const agent::Action& action : effects.actions) {
      if (OneIn(crash_)) CrashAgent(agent);
      if (life != agent.life) return;
      PerformAgent(agent, action);
    }
  }
}

void World::CheckAgentCommit(Agent& agent, const agent::Effects& effects) {
  for (const agent::Change& change : effects.changes) {
    if (const auto* taken = std::get_if<agent::ReportsTaken>(&change)) {
      if (taken->sequence > reports_taken_[agent.node]) {
        Violate(fmt::format("{} gives up report {}, which nobody has taken", agent.node,
                            taken->sequence));
      }
    } else if (const auto* record = std::get_if<agent::ReportRecord>(&change)) {
      const std::optional<testing::CheapOpened> opened = testing::OpenCheap(record->envelope);
      v1::Report report;
      report.ParseFromArray(opened->payload.data(), static_cast<int>(opened->payload.size()));
      if (!report.has_accepted() && !report.has_refused() && !report.has_ended()) {
        agent.reported.insert({record->plan_id, record->task});
      }
    } else if (const auto* plan = std::get_if<agent::PlanRecord>(&change)) {
      if (plan->state == agent::PlanState::kAccepted && plan->run.size() == 26 &&
          plan->kind != agent::OrderKind::kRestore && plan->kind != agent::OrderKind::kProbe &&
          !catalog_.plans.contains(plan->plan_id) && catalog_.runs.contains(plan->run)) {
        Violate(agent.node + " obeys a plan that its controller has not recorded");
      }
    }
  }
}

}  // namespace holdfast::sim
