// How plans are created, signed, sent and resent.
#include <algorithm>
#include <cmath>

#include "common/crypto/sha256.h"
#include "controller/core/machine.h"
#include "proto/holdfast/v1/agent.pb.h"
#include "proto/holdfast/v1/plan.pb.h"

namespace holdfast::controller {
namespace {

constexpr std::string_view kPlanType = "application/vnd.holdfast.plan.v1";
constexpr std::size_t kPlansPerMessageBytes = 256 * 1024;

}  // namespace

// REQUIRES: pass the result to SignPlan(), with an order.
v1::Plan Machine::NewPlan(Agent& agent, const Run& run, std::int64_t life_ms) {
  Bytes plan_id(16);
  random_.Fill(plan_id);
  agent.record.plan_sequence =
      std::max(agent.record.plan_sequence + 1,
               static_cast<std::uint64_t>(std::max<std::int64_t>(0, now_.wall_ms)));
  Put(PlanSequence{agent.record.node, agent.record.plan_sequence});
  v1::Plan plan;
  plan.set_plan_id(std::string(AsText(plan_id)));
  plan.set_cluster_id(cluster_.cluster_id);
  plan.set_node(agent.record.node);
  plan.set_incarnation(agent.record.incarnation);
  plan.set_sequence(agent.record.plan_sequence);
  plan.set_issued_at_ms(now_.wall_ms);
  plan.set_not_before_ms(now_.wall_ms);
  plan.set_expires_at_ms(now_.wall_ms + life_ms);
  plan.set_controller_epoch(cluster_.epoch);
  plan.set_run(run.record.run);
  plan.set_requester(run.record.requester);
  plan.set_reason(run.record.reason);
  return plan;
}

Plan& Machine::SignPlan(const v1::Plan& message, OrderKind kind) {
  return SignPayload(message, ToBytes(message.SerializeAsString()), kind, {});
}

Plan& Machine::SignPayload(const v1::Plan& message, const Bytes& payload, OrderKind kind,
                           const std::vector<Approval>& approvals) {
  const crypto::Digest hash = crypto::Sha256Of(payload);
  PlanRecord record{.plan_id = ToBytes(message.plan_id()),
                    .run = message.run(),
                    .node = message.node(),
                    .incarnation = message.incarnation(),
                    .sequence = message.sequence(),
                    .kind = kind,
                    .state = PlanState::kSent,
                    .issued_ms = message.issued_at_ms(),
                    .expires_ms = message.expires_at_ms(),
                    .hash = Bytes(hash.begin(), hash.end()),
                    .envelope = trust_.Sign(kPlanType, payload, approvals)};
  Put(record);
  Audit("plan.signed", "controller", record.node, record.run,
        {{"plan", HexEncode(record.plan_id)}, {"kind", std::string(OrderKindName(kind))}},
        record.envelope);
  agents_.at(record.node).unanswered.insert(record.plan_id);
  Plan& plan = plans_[record.plan_id];
  plan.record = std::move(record);
  runs_.at(plan.record.run).plans.push_back(plan.record.plan_id);
  SendPlan(plan);
  return plan;
}

// Sends it if the agent has a session, and schedules the next time.
void Machine::SendPlan(Plan& plan) {
  const bool is_cut = plan.record.kind == OrderKind::kCut;
  if (now_.wall_ms > plan.record.expires_ms && plan.resend_ms != 0) return;
  plan.resend_ms = plan.resend_ms == 0
                       ? (is_cut ? options_.cut_resend_first_ms : options_.resend_first_ms)
                       : std::min(2 * plan.resend_ms, options_.resend_max_ms);
  if (options_.planted_bug != PlantedBug::kNoResend) {
    deadlines_.Set({TimerKind::kResend, std::string(AsText(plan.record.plan_id))},
                   now_.mono_ms + plan.resend_ms);
  }
  const Agent& agent = agents_.at(plan.record.node);
  if (agent.record.incarnation != plan.record.incarnation)
    return;  // it was meant for an earlier incarnation of the node
  v1::ControllerMessage message;
  message.mutable_plans()->add_envelopes(std::string(AsText(plan.record.envelope)));
  SendTo(agent, message);
}

void Machine::ResendAll(Agent& agent) {
  if (options_.planted_bug == PlantedBug::kNoResend) return;
  v1::ControllerMessage message;
  std::size_t size = 0;
  for (const Bytes& id : agent.unanswered) {
    Plan& plan = plans_.at(id);
    if (plan.record.expires_ms < now_.wall_ms) continue;
    if (size > 0 && size + plan.record.envelope.size() > kPlansPerMessageBytes) {
      SendTo(agent, message);
      message.Clear();
      size = 0;
    }
    size += plan.record.envelope.size();
    message.mutable_plans()->add_envelopes(std::string(AsText(plan.record.envelope)));
  }
  if (size > 0) SendTo(agent, message);
}

void Machine::Answered(Plan& plan, PlanState state) {
  if (plan.record.state == state) return;
  if (plan.record.state == PlanState::kRefused) return;  // a refusal is final
  plan.record.state = state;
  plan.record.envelope.clear();  // the catalog has it, and it is not sent again
  plan.record.envelope.shrink_to_fit();
  Put(PlanAnswered{plan.record.plan_id, state});
  const std::string name(AsText(plan.record.plan_id));
  deadlines_.Cancel({TimerKind::kResend, name});
  deadlines_.Cancel({TimerKind::kExpire, name});
  if (Agent* agent = FindAgent(plan.record.node)) agent->unanswered.erase(plan.record.plan_id);
}

std::uint32_t Machine::AddTask(Run& run, const NewTask& new_task) {
  Task& task = run.tasks.emplace_back();
  task.record = {.run = run.record.run,
                 .number = static_cast<std::uint32_t>(run.tasks.size() - 1),
                 .kind = new_task.kind,
                 .node = new_task.node,
                 .source = new_task.source,
                 .repository = new_task.repository,
                 .topology = new_task.topology,
                 .host = new_task.host,
                 .round = new_task.round,
                 .data = new_task.data,
                 .compose = new_task.compose,
                 .created_ms = now_.wall_ms,
                 .rest = new_task.rest};
  std::string key = new_task.source;
  if (new_task.kind == OrderKind::kProbe) {
    key = "@" + new_task.node;
  } else if (new_task.source.empty()) {
    key = new_task.repository;
  } else if (new_task.topology == Topology::kLocal) {
    key += "@" + new_task.node;
  }
  auto [entry, is_new] = run.unit_of.try_emplace(key, run.units.size());
  if (is_new) {
    Unit& unit = run.units.emplace_back();
    unit.source = new_task.source;
    unit.repository = new_task.repository;
    unit.topology = new_task.topology;
    unit.host = new_task.host;
    ++run.open_units;
  }
  task.unit = entry->second;
  Unit& unit = run.units[task.unit];
  (new_task.kind == OrderKind::kCompose ? unit.composes : unit.tasks).push_back(task.record.number);
  task.is_ready = new_task.kind != OrderKind::kBackup || new_task.round != 0;
  if (!task.is_ready) ++run.unready;
  agents_.at(new_task.node).tasks.emplace(run.record.run, task.record.number);
  Dirty(task);
  return task.record.number;
}

// The rest of the run's life; at most all of it, even if the clock has jumped.
std::int64_t Machine::LeftMs(const Run& run) const {
  return std::clamp<std::int64_t>(run.record.deadline_ms - now_.wall_ms, 0,
                                  LifeOf(run.record.kind));
}

namespace {

// The parts that a rest does not have to save again.
void AddOthers(const Run& run, const Unit& unit, v1::BackupTask& order) {
  for (std::uint32_t number : unit.tasks) {
    const Task& task = run.tasks[number];
    if (task.record.rest || task.record.state != TaskState::kSaved) continue;
    v1::OtherPart& other = *order.add_others();
    other.set_node(task.record.node);
    other.set_tree_id(ReportOf(task).saved().tree_id());
  }
}

}  // namespace

// Signs one plan for all of a node's tasks of a round.
void Machine::PlanBackup(Run& run, const std::string& node,
                         const std::vector<std::uint32_t>& numbers, std::uint32_t round) {
  Agent& agent = agents_.at(node);
  // Locks are kept until the plan expires, which is later than the run can compose.
  const std::int64_t left_ms = LeftMs(run);
  v1::Plan plan = NewPlan(agent, run, left_ms + 3'600'000);
  v1::BackupOrder& order = *plan.mutable_backup();
  // A later round has missed the others' cut, so it does not wait.
  order.set_cut_wait_ms(round == 0 ? static_cast<std::uint32_t>(options_.cut_wait_ms) : 0);
  order.set_splay_ms(run.record.splay_ms);
  for (std::uint32_t number : numbers) {
    Task& task = run.tasks[number];
    v1::BackupTask& one = *order.add_tasks();
    one.set_source(task.record.source);
    one.set_repository(task.record.repository);
    one.set_data(task.record.data);
    one.set_compose(task.record.compose);
    one.set_start_after_ms(StartDelay(task.record.repository));
    one.set_round(task.record.round);
    if (task.record.topology == Topology::kSharded) {
      one.set_shards(task.record.rest ? v1::SHARDS_REST : v1::SHARDS_NEAR);
    }
    if (task.record.rest) AddOthers(run, run.units[task.unit], one);
    task.record.plan_id = ToBytes(plan.plan_id());
    task.record.plan_task = static_cast<std::uint32_t>(order.tasks_size() - 1);
    Dirty(task);
  }
  SignPlan(plan, OrderKind::kBackup).tasks = numbers;
  if (agent.lost) {
    // The lease has already passed; do not wait for another one.
    for (std::uint32_t number : numbers) SetState(run, run.tasks[number], TaskState::kLost);
  }
}

// Signs an order with one task: probe, verify, inventory.
void Machine::PlanSingle(Run& run, std::uint32_t number, const NewTask& new_task) {
  Task& task = run.tasks[number];
  Agent& agent = agents_.at(new_task.node);
  v1::Plan plan = NewPlan(agent, run, LeftMs(run) + 60'000);
  if (new_task.kind == OrderKind::kProbe) {
    v1::ProbeOrder& order = *plan.mutable_probe();
    for (const std::string& source : new_task.sources) order.add_sources(source);
  } else if (new_task.kind == OrderKind::kVerify) {
    plan.mutable_verify()->set_repository(new_task.repository);
    plan.mutable_verify()->set_read_data(run.record.read_data);
  } else {
    plan.mutable_inventory()->set_repository(new_task.repository);
    plan.mutable_inventory()->set_after(new_task.after);
  }
  task.record.plan_id = ToBytes(plan.plan_id());
  Dirty(task);
  SignPlan(plan, new_task.kind).tasks = {number};
  if (agent.lost) SetState(run, task, TaskState::kLost);
}

// A token bucket per repository: many starts at once would hurt the repository, not the bus.
std::uint32_t Machine::StartDelay(const std::string& repository) {
  const double interval_ms = 1000.0 / options_.starts_per_s;
  const auto now_ms = static_cast<double>(now_.mono_ms);
  double& turn = buckets_[repository];
  turn = std::max(turn, now_ms);
  const double delay = std::max(0.0, turn - options_.starts_burst * interval_ms - now_ms);
  turn += interval_ms;
  return static_cast<std::uint32_t>(std::llround(delay));
}

}  // namespace holdfast::controller
