// How a run proceeds after it has its tasks: cut, retries and takeover, compose, end.
#include <algorithm>

#include "common/base/format.h"
#include "controller/core/machine.h"
#include "proto/holdfast/v1/plan.pb.h"

namespace holdfast::controller {
namespace {

constexpr std::int64_t kComposerWaitMs = 10'000;
constexpr std::int64_t kCutPlanLifeMs = 5 * 60'000;
constexpr std::int64_t kEndLifeMs = 23 * 3'600'000LL;

std::string UnitTimer(const Run& run, std::size_t unit) {
  return run.record.run + "/" + std::to_string(unit);
}

}  // namespace

v1::Report ReportOf(const Task& task) {
  v1::Report report;
  (void)report.ParseFromArray(task.record.report.data(),
                              static_cast<int>(task.record.report.size()));
  return report;
}

// Sets the state that the catalog has.
void Machine::SetState(Run& run, Task& task, TaskState state, std::optional<TaskError> error) {
  task.record.state = state;
  task.live = state;
  const bool is_well = state == TaskState::kPlanned || state == TaskState::kAccepted ||
                       state == TaskState::kSaved || state == TaskState::kComposed ||
                       state == TaskState::kDone;
  if (error || is_well) task.record.error = std::move(error);
  if (IsSettled(task.record)) {
    task.record.ended_ms = now_.wall_ms;
    task.retry_ms = now_.mono_ms + options_.retry_after_ms;
  } else {
    task.record.ended_ms = 0;
  }
  Agent* agent = FindAgent(task.record.node);
  if (agent != nullptr && (IsFinal(state) || state == TaskState::kSaved)) {
    agent->tasks.erase({run.record.run, task.record.number});
  }
  Dirty(task);
  if (!task.is_ready && IsSettled(task.record)) {
    task.is_ready = true;
    --run.unready;
    CheckCut(run);
  }
  Touch(run, task.unit);
}

// Sets the state from progress.
void Machine::SetLive(Run& run, Task& task, TaskState state) {
  task.live = state;
  if (task.is_ready || state < TaskState::kPrepared) return;
  task.is_ready = true;
  --run.unready;
  CheckCut(run);
}

void Machine::CheckCut(Run& run) {
  if (run.record.kind != OrderKind::kBackup || run.record.cut_ms != 0 || IsFinal(run.record.state))
    return;
  if (run.unready == 0) {
    Cut(run);
  } else if (!run.is_cut_armed) {
    run.is_cut_armed = true;
    deadlines_.Set({TimerKind::kCut, run.record.run}, now_.mono_ms + options_.cut_window_ms);
  }
}

// Orders all prepared tasks to cut now. A late task cuts as soon as it is prepared.
void Machine::Cut(Run& run) {
  if (run.record.cut_ms != 0 || IsFinal(run.record.state)) return;
  run.record.cut_ms = now_.wall_ms;
  dirty_runs_.insert(run.record.run);
  deadlines_.Cancel({TimerKind::kCut, run.record.run});
  std::set<Bytes> plans;
  for (Task& task : run.tasks) {
    if (task.record.kind != OrderKind::kBackup || task.record.round != 0) continue;
    if (!task.is_ready) {
      task.record.late = true;
      task.is_ready = true;
      --run.unready;
      Dirty(task);
    }
    if (!IsSettled(task.record)) plans.insert(task.record.plan_id);
  }
  for (const Bytes& id : plans) {
    Agent& agent = agents_.at(plans_.at(id).record.node);
    v1::Plan plan = NewPlan(agent, run, kCutPlanLifeMs);
    plan.mutable_cut()->set_backup_plan_id(std::string(AsText(id)));
    SignPlan(plan, OrderKind::kCut);
  }
  Audit("run.cut", "controller", run.record.run, run.record.run,
        {{"plans", std::to_string(plans.size())}});
}

void Machine::Advance(Run& run, std::size_t unit) {
  if (run.record.state != RunState::kRunning || unit >= run.units.size() || run.units[unit].ended)
    return;
  if (run.record.kind == OrderKind::kBackup) {
    AdvanceBackup(run, unit);
    return;
  }
  const Task& last = run.tasks[run.units[unit].tasks.back()];
  if (!IsSettled(last.record)) return;
  if (last.record.kind == OrderKind::kInventory && last.record.state == TaskState::kDone) {
    const v1::Report report = ReportOf(last);
    const bool is_more = report.inventory().more() && report.inventory().snapshots_size() > 0;
    if (is_more && options_.planted_bug != PlantedBug::kForgetInventory) {
      NextPage(run, unit);
      return;
    }
    std::ranges::sort(run.seen);
    Put(InventoryEnded{run.record.repository, run.record.started_ms, std::move(run.seen)});
    run.seen.clear();
  }
  EndUnit(run, unit);
}

void Machine::NextPage(Run& run, std::size_t unit) {
  const Task& last = run.tasks[run.units[unit].tasks.back()];
  const v1::Report report = ReportOf(last);
  const auto& snapshots = report.inventory().snapshots();
  const NewTask new_task{.kind = OrderKind::kInventory,
                         .node = last.record.node,
                         .repository = last.record.repository,
                         .round = last.record.round + 1,
                         .after = HexEncode(AsBytes(snapshots[snapshots.size() - 1].id()))};
  const std::uint32_t number = AddTask(run, new_task);
  PlanSingle(run, number, new_task);
}

void Machine::AdvanceBackup(Run& run, std::size_t unit) {
  if (AdvanceCompose(run, unit)) return;
  Unit& source = run.units[unit];
  if (source.topology == Topology::kLocal) {
    const bool is_composed = std::ranges::any_of(source.tasks, [&](std::uint32_t number) {
      return run.tasks[number].record.state == TaskState::kComposed;
    });
    if (is_composed || !AdvanceRetries(run, unit)) {
      const bool all_settled = std::ranges::all_of(
          source.tasks, [&](std::uint32_t number) { return IsSettled(run.tasks[number].record); });
      if (is_composed || all_settled) EndUnit(run, unit);
    }
    return;
  }
  if (AdvanceRetries(run, unit)) return;
  const auto is_settled = [&](std::uint32_t number) { return IsSettled(run.tasks[number].record); };
  if (!std::ranges::all_of(source.tasks, is_settled)) return;
  if (source.topology == Topology::kSharded && StartRest(run, unit)) return;
  if (std::ranges::any_of(source.tasks, [&](std::uint32_t number) {
        const TaskRecord& task = run.tasks[number].record;
        return task.data && task.state == TaskState::kSaved;
      })) {
    StartCompose(run, unit);
  } else {
    EndUnit(run, unit);
  }
}

bool Machine::MayTryAgain(const Run& run, const Task& task) const {
  const bool is_busy = task.record.error && task.record.error->code == "busy";
  const std::uint32_t rounds =
      is_busy && run.record.queue_if_busy ? options_.rounds_if_queued : options_.rounds;
  // A rest starts with round 1.
  const std::uint32_t tried = task.record.rest ? task.record.round : task.record.round + 1;
  return tried < rounds;
}

namespace {

// Whether another agent can do the task instead.
bool CanRunElsewhere(const TaskRecord& task) {
  return task.rest || (task.data && task.topology == Topology::kReplicated);
}

// Whether both are the same movable task, on whatever node.
bool IsSameTask(const TaskRecord& a, const TaskRecord& b) {
  return a.rest == b.rest && (a.rest || a.data == b.data);
}

// The task, other than a rest, that has saved the data; null if none has.
const Task* DataOf(const Run& run, const Unit& unit) {
  for (std::uint32_t number : unit.tasks) {
    const Task& task = run.tasks[number];
    if (task.record.data && !task.record.rest && task.record.state == TaskState::kSaved) {
      return &task;
    }
  }
  return nullptr;
}

}  // namespace

// Agents that could save the source now.
std::vector<Agent*> Machine::AbleAgents(const Unit& unit) {
  std::vector<Agent*> able;
  for (auto& [node, agent] : agents_) {
    if (agent.record.revoked || !agent.is_connected()) continue;
    const bool has_it = std::ranges::any_of(agent.record.sources, [&](const auto& one) {
      return one.source == unit.source && one.repository == unit.repository &&
             one.topology == unit.topology;
    });
    if (has_it) able.push_back(&agent);
  }
  return able;
}

// Whether a later task replaces this one.
bool Machine::IsCovered(const Run& run, const Unit& unit, const Task& task) const {
  return std::ranges::any_of(unit.tasks, [&](std::uint32_t number) {
    const TaskRecord& other = run.tasks[number].record;
    if (other.round <= task.record.round) return false;
    if (CanRunElsewhere(task.record)) return IsSameTask(other, task.record);
    return other.node == task.record.node && !other.rest;
  });
}

// True while a task is retried, or will be.
bool Machine::AdvanceRetries(Run& run, std::size_t unit) {
  bool is_waiting = false;
  const std::vector<std::uint32_t> numbers = run.units[unit].tasks;
  for (std::uint32_t number : numbers) {
    Task& task = run.tasks[number];
    if (!IsSettled(task.record) || task.record.state == TaskState::kSaved ||
        task.record.state == TaskState::kComposed || task.record.state == TaskState::kCancelled ||
        !MayTryAgain(run, task) || IsCovered(run, run.units[unit], task)) {
      continue;
    }
    is_waiting = Retry(run, unit, run.tasks[number]) || is_waiting;
  }
  return is_waiting;
}

bool Machine::Retry(Run& run, std::size_t unit, Task& task) {
  const TaskRecord before = task.record;
  const bool is_busy = before.error && before.error->code == "busy" && run.record.queue_if_busy;
  const bool may_help =
      before.state == TaskState::kFailed && before.error && (before.error->retryable || is_busy);
  NewTask new_task{.node = before.node,
                   .source = before.source,
                   .repository = before.repository,
                   .topology = before.topology,
                   .host = before.host,
                   .round = before.round + 1,
                   .data = before.rest ? DataOf(run, run.units[unit]) == nullptr : before.data,
                   .rest = before.rest,
                   .compose = before.compose};
  if (CanRunElsewhere(before) &&
      (may_help || before.state == TaskState::kLost || before.state == TaskState::kRefused)) {
    std::vector<Agent*> able = AbleAgents(run.units[unit]);
    std::erase_if(able, [&](const Agent* agent) {
      return std::ranges::any_of(run.units[unit].tasks, [&](std::uint32_t number) {
        const TaskRecord& other = run.tasks[number].record;
        return IsSameTask(other, before) && other.node == agent->record.node;
      });
    });
    if (const Agent* other = LeastBusy(able)) {
      new_task.node = other->record.node;
      PlanBackup(run, new_task.node, {AddTask(run, new_task)}, new_task.round);
      // The first agent can still save what only it has.
      const Agent* first = FindAgent(before.node);
      if (may_help && !before.rest && first != nullptr && first->is_connected()) {
        new_task.node = before.node;
        new_task.data = false;
        PlanBackup(run, new_task.node, {AddTask(run, new_task)}, new_task.round);
      }
      return true;
    }
  }
  if (!may_help) return false;
  if (now_.mono_ms < task.retry_ms) {
    deadlines_.SetSooner({TimerKind::kUnit, UnitTimer(run, unit)}, task.retry_ms);
    return true;
  }
  const std::uint32_t number = AddTask(run, new_task);
  PlanBackup(run, new_task.node, {number}, new_task.round);
  return true;
}

// For a sharded source, after every node has saved its shards or failed: one agent saves the rest.
// True if that starts now or waits for an agent.
bool Machine::StartRest(Run& run, std::size_t unit) {
  const Unit& source = run.units[unit];
  std::vector<Agent*> well;  // that have saved their part
  for (std::uint32_t number : source.tasks) {
    const TaskRecord& task = run.tasks[number].record;
    if (task.rest) return false;
    if (task.state == TaskState::kSaved) well.push_back(&agents_.at(task.node));
  }
  if (well.empty()) return false;
  const std::vector<Agent*> able = AbleAgents(source);
  if (able.empty()) {
    deadlines_.SetSooner({TimerKind::kUnit, UnitTimer(run, unit)}, now_.mono_ms + kComposerWaitMs);
    return true;
  }
  std::erase_if(well, [&](Agent* agent) { return std::ranges::find(able, agent) == able.end(); });
  const Task* data = DataOf(run, source);
  Agent* chosen = LeastBusy(well.empty() ? able : well);
  for (Agent* agent : well) {
    if (data != nullptr && agent->record.node == data->record.node) chosen = agent;
  }
  const NewTask new_task{.node = chosen->record.node,
                         .source = source.source,
                         .repository = source.repository,
                         .topology = source.topology,
                         .host = source.host,
                         .round = 1,  // waits for no other cut
                         .data = data == nullptr,
                         .rest = true};
  PlanBackup(run, new_task.node, {AddTask(run, new_task)}, new_task.round);
  return true;
}

// --- compose

// True if the source is being composed or is done, or if the next composer must wait.
bool Machine::AdvanceCompose(Run& run, std::size_t unit) {
  Unit& source = run.units[unit];
  if (source.composes.empty()) return false;
  Task& task = run.tasks[source.composes.back()];
  if (task.record.state == TaskState::kComposed) {
    EndUnit(run, unit);
    return true;
  }
  const bool is_fenced =
      now_.mono_ms >= FenceOf(source) || options_.planted_bug == PlantedBug::kNoFence;
  const bool has_answered = IsFinal(task.record.state);
  const bool may_have_written = !has_answered || (task.record.error && task.record.error->began);
  if (may_have_written && !is_fenced) {
    deadlines_.SetSooner({TimerKind::kUnit, UnitTimer(run, unit)}, FenceOf(source));
    return true;
  }
  if (!has_answered) {
    Audit("task.given_up", "controller", task.record.node, run.record.run,
          {{"source", task.record.source}, {"task", std::to_string(task.record.number)}});
    SetState(
        run, task, TaskState::kFailed,
        TaskError{.code = "timed_out",
                  .message = fmt::format("{} did not compose it in time", Quote(task.record.node)),
                  .retryable = true});
  }
  const bool may_help = task.record.state == TaskState::kRefused ||
                        (task.record.error && task.record.error->retryable);
  if (!may_help || source.composes.size() >= options_.compose_attempts) {
    EndUnit(run, unit);
    return true;
  }
  return false;
}

void Machine::StartCompose(Run& run, std::size_t unit) {
  // Of each node, take the part of its last round; of parts with data, the first. Of the rests,
  // take one, preferably without data: then the data is in its own node's part.
  const Unit& composed = run.units[unit];
  const Task* rest = nullptr;
  for (std::uint32_t number : composed.tasks) {
    const Task& task = run.tasks[number];
    if (!task.record.rest || task.record.state != TaskState::kSaved) continue;
    if (rest == nullptr || (rest->record.data && !task.record.data)) rest = &task;
  }
  const Task* data = rest != nullptr && rest->record.data ? rest : nullptr;
  std::map<std::string, const Task*> parts;
  std::map<std::string, std::string> lacking;
  std::string lacking_rest;
  for (std::uint32_t number : composed.tasks) {
    const Task& task = run.tasks[number];
    if (task.record.state != TaskState::kSaved) {
      std::string& reason = task.record.rest ? lacking_rest : lacking[task.record.node];
      reason = task.record.error ? task.record.error->message
                                 : std::string(TaskStateName(task.record.state));
    } else if (task.record.rest) {
      continue;
    } else if (!task.record.data) {
      parts[task.record.node] = &task;
    } else if (data == nullptr) {
      data = &task;
    } else {
      lacking[task.record.node] = fmt::format("{} has saved the data", Quote(data->record.node));
    }
  }
  HF_CHECK(data != nullptr);
  if (data != rest) parts[data->record.node] = data;

  std::map<std::string, std::size_t> asked;
  for (std::uint32_t number : run.units[unit].composes) ++asked[run.tasks[number].record.node];
  const Agent* composer = nullptr;
  auto rank = [&](const Agent& agent) {
    return std::tuple(asked[agent.record.node], agent.record.node != data->record.node,
                      agent.tasks.size(), agent.record.node);
  };
  for (const Agent* agent : AbleAgents(composed)) {
    if (composer == nullptr || rank(*agent) < rank(*composer)) composer = agent;
  }
  if (composer == nullptr) {
    deadlines_.SetSooner({TimerKind::kUnit, UnitTimer(run, unit)}, now_.mono_ms + kComposerWaitMs);
    return;
  }

  v1::Plan plan = NewPlan(agents_.at(composer->record.node), run, options_.compose_life_ms);
  v1::ComposeOrder& order = *plan.mutable_compose();
  order.set_source(data->record.source);
  order.set_repository(data->record.repository);
  order.set_host(data->record.host);
  bool is_met = true;
  for (const auto& [node, task] : parts) {
    if (rest != nullptr && task != data && options_.planted_bug == PlantedBug::kLosePart) continue;
    *order.add_parts() = ReportOf(*task).saved();
    is_met = is_met && task->record.round == 0 && !task->record.late &&
             ReportOf(*task).saved().cut_on_order();
    lacking.erase(node);
  }
  if (rest != nullptr) *order.add_parts() = ReportOf(*rest).saved();
  for (const auto& [node, reason] : lacking) {
    v1::LackingPart& one = *order.add_lacking();
    one.set_node(node);
    one.set_reason(reason);
  }
  if (composed.topology == Topology::kSharded) {
    order.set_sharded(true);
    if (rest == nullptr) {
      v1::LackingPart& one = *order.add_lacking();
      one.set_reason(lacking_rest);
      one.set_rest(true);
    }
  }
  order.set_cut_barrier_met(is_met);
  const NewTask new_task{.kind = OrderKind::kCompose,
                         .node = composer->record.node,
                         .source = data->record.source,
                         .repository = data->record.repository,
                         .topology = data->record.topology,
                         .host = data->record.host};
  const std::uint32_t number = AddTask(run, new_task);
  run.tasks[number].record.plan_id = ToBytes(plan.plan_id());
  Unit& source = run.units[unit];
  source.fence_ms = now_.mono_ms + options_.compose_life_ms + options_.fence_ms;
  source.fence_jumps_ms = composer->hello_jumps_ms;
  deadlines_.SetSooner({TimerKind::kUnit, UnitTimer(run, unit)}, FenceOf(source));
  for (const v1::Part& part : order.parts()) source.trees[number].insert(ToBytes(part.tree_id()));
  SignPlan(plan, OrderKind::kCompose).tasks = {number};
}

// --- the end

void Machine::EndUnit(Run& run, std::size_t unit) {
  Unit& source = run.units[unit];
  if (source.ended) return;
  source.ended = true;
  deadlines_.Cancel({TimerKind::kUnit, UnitTimer(run, unit)});
  const Task* composed = nullptr;
  for (std::uint32_t number : source.composes) {
    if (run.tasks[number].record.state == TaskState::kComposed) composed = &run.tasks[number];
  }
  for (std::uint32_t number : source.tasks) {
    Task& task = run.tasks[number];
    if (composed == nullptr || task.record.state != TaskState::kSaved) continue;
    // An agent that was away while the others were composed may have returned with its part.
    if (source.trees[composed->record.number].contains(ToBytes(ReportOf(task).saved().tree_id()))) {
      task.record.snapshot = composed->record.snapshot;
      SetState(run, task, TaskState::kComposed);
    } else {
      SetState(run, task, TaskState::kFailed,
               TaskError{.code = "timed_out",
                         .message = "it was backed up after the others were composed"});
    }
  }
  if (--run.open_units == 0) EndRun(run);
}

RunState Machine::Derive(const Run& run) const {
  std::size_t done = 0;
  std::size_t partly = 0;
  for (const Unit& unit : run.units) {
    bool has_snapshot = false;
    bool is_whole = false;
    for (const std::vector<std::uint32_t>* numbers : {&unit.tasks, &unit.composes}) {
      for (std::uint32_t number : *numbers) {
        const Task& task = run.tasks[number];
        const bool composes = task.record.compose || task.record.kind == OrderKind::kCompose;
        if (task.record.state == TaskState::kComposed && composes) {
          has_snapshot = true;
          is_whole = is_whole || task.whole;
        }
        if (task.record.state == TaskState::kDone && number == unit.tasks.back()) {
          has_snapshot = true;
          is_whole = is_whole || !task.partly;
        }
      }
    }
    done += is_whole ? 1 : 0;
    partly += has_snapshot ? 1 : 0;
  }
  if (!run.units.empty() && done == run.units.size()) return RunState::kDone;
  if (run.record.cancelled) return RunState::kCancelled;
  return partly > 0 ? RunState::kPartlyDone : RunState::kFailed;
}

void Machine::EndRun(Run& run) {
  if (IsFinal(run.record.state)) return;
  const std::string& verdict = run.verdict;
  if (!verdict.empty() && run.record.state == RunState::kRunning) {
    run.record.message = verdict == "cancelled" ? "an operator cancelled it" : "it has expired";
  }
  // Decide all open tasks before the run's state is derived and its end is sent.
  for (Task& task : run.tasks) {
    const TaskState state = task.record.state;
    // The outcome of a lost task is unknown, so the end of the run does not replace it.
    if (IsFinal(state) || state == TaskState::kLost) continue;
    if (verdict == "cancelled") {
      SetState(run, task, TaskState::kCancelled);
    } else if (verdict == "timed_out") {
      SetState(run, task, TaskState::kFailed,
               TaskError{.code = "timed_out", .message = "the run exceeded its time limit"});
    } else {
      SetState(run, task, TaskState::kFailed,
               TaskError{.code = "cancelled", .message = "no snapshot of it was created"});
    }
  }
  run.record.state = Derive(run);
  run.record.ended_ms = now_.wall_ms;
  run.open_units = 0;
  for (Unit& unit : run.units) unit.ended = true;
  dirty_runs_.insert(run.record.run);
  deadlines_.Cancel({TimerKind::kRun, run.record.run});
  deadlines_.Cancel({TimerKind::kCut, run.record.run});
  Audit("run.ended", "controller", run.record.run, run.record.run,
        {{"state", std::string(RunStateName(run.record.state))}});
  Perform(action::RunEnded{run.record.run, run.record.state});
  SendEnds(run);
  CloseIfDone(run);
  try_queued_ = true;
}

// To every agent that may still have something of the run: locks, a job, or a plan that arrives
// later.
void Machine::SendEnds(Run& run) {
  std::set<std::string> nodes;
  for (const Task& task : run.tasks) {
    const TaskRecord& record = task.record;
    if (record.plan_id.empty()) continue;
    const bool is_silent = record.report.empty();
    const bool holds_lock = record.kind == OrderKind::kBackup &&
                            !(record.compose && record.state == TaskState::kComposed) &&
                            record.state != TaskState::kRefused;
    const Agent* agent = FindAgent(record.node);
    const Plan& plan = plans_.at(record.plan_id);
    if (agent == nullptr || agent->record.revoked ||
        agent->record.incarnation != plan.record.incarnation) {
      continue;
    }
    if (is_silent || holds_lock) nodes.insert(record.node);
  }
  // Unanswered plans are not sent again. The EndOrder also reaches agents that received them.
  for (const Bytes& id : std::vector(run.plans)) {
    Plan& plan = plans_.at(id);
    if (plan.record.state == PlanState::kSent) Answered(plan, PlanState::kExpired);
  }
  for (const std::string& node : nodes) {
    v1::Plan plan = NewPlan(agents_.at(node), run, kEndLifeMs);
    plan.mutable_end()->set_cancelled(run.record.cancelled);
    const Plan& sent = SignPlan(plan, OrderKind::kEnd);
    run.ends.insert(sent.record.plan_id);
    deadlines_.Set({TimerKind::kExpire, std::string(AsText(sent.record.plan_id))},
                   now_.mono_ms + kEndLifeMs);
  }
}

void Machine::CloseIfDone(Run& run) {
  if (!IsFinal(run.record.state) || !run.ends.empty() || run.record.closed) return;
  run.record.closed = true;
  for (const Task& task : run.tasks) {
    if (Agent* agent = FindAgent(task.record.node))
      agent->tasks.erase({run.record.run, task.record.number});
  }
  dirty_runs_.insert(run.record.run);
  closed_.push_back(run.record.run);
}

// A report changed the run after its end: an agent was away and had done its work.
void Machine::Amend(Run& run) {
  const RunState state = Derive(run);
  if (state == run.record.state) return;
  run.record.state = state;
  dirty_runs_.insert(run.record.run);
  Audit("run.amended", "controller", run.record.run, run.record.run,
        {{"state", std::string(RunStateName(state))}});
}

}  // namespace holdfast::controller
