#include "controller/core/backup_coordinator.h"

#include <algorithm>
#include <map>
#include <set>
#include <tuple>
#include <vector>

#include "common/base/format.h"
#include "common/base/utf8.h"
#include "proto/holdfast/v1/plan.pb.h"

namespace holdfast::controller {
namespace {

constexpr std::int64_t kComposerWaitMs = 10'000;
// Limits on the reasons for missing parts in a compose order: agents wrote the reasons, and a plan
// has a maximum size.
constexpr std::size_t kReasonBytesMax = 1'000;
constexpr std::size_t kReasonsBytesMax = 256U << 10;

// Whether another agent can do the task instead.
bool CanRunElsewhere(const TaskRecord& task) {
  return IsRest(task.scope) || task.scope == BackupScope::kWhole;
}

// Whether both are the same movable task, on whatever node.
bool IsSameTask(const TaskRecord& a, const TaskRecord& b) {
  return a.scope == b.scope || (IsRest(a.scope) && IsRest(b.scope));
}

// The task, other than a rest, that has saved the data; null if none has.
const Task* DataOf(const Run& run, const Unit& unit) {
  for (std::uint32_t number : unit.tasks) {
    const Task& task = run.tasks[number];
    if (HasData(task.record.scope) && !IsRest(task.record.scope) &&
        task.record.state == TaskState::kSaved) {
      return &task;
    }
  }
  return nullptr;
}

// The scope of the next task that saves the rest.
BackupScope RestScope(const Run& run, const Unit& unit) {
  return DataOf(run, unit) == nullptr ? BackupScope::kRestWithData : BackupScope::kRest;
}

// Whether a later task replaces this one.
bool IsCovered(const Run& run, const Unit& unit, const Task& task) {
  return std::ranges::any_of(unit.tasks, [&](std::uint32_t number) {
    const TaskRecord& other = run.tasks[number].record;
    if (other.round <= task.record.round) return false;
    if (CanRunElsewhere(task.record)) return IsSameTask(other, task.record);
    return other.node == task.record.node && !IsRest(other.scope);
  });
}

bool MayTryAgain(const Options& options, const Run& run, const Task& task) {
  const bool is_busy = task.record.error && task.record.error->code == "busy";
  const std::uint32_t rounds =
      is_busy && run.record.queue_if_busy ? options.rounds_if_queued : options.rounds;
  // A rest starts with round 1.
  const std::uint32_t tried = IsRest(task.record.scope) ? task.record.round : task.record.round + 1;
  return tried < rounds;
}

// The controller decides whose part it is and what it counts as; the agent reported the rest.
void SetReference(const Task& task, const v1::Part& part, v1::PartReference& reference) {
  reference.set_node(task.record.node);
  reference.set_tree_id(part.tree_id());
  reference.set_data(HasData(task.record.scope));
  reference.set_rest(IsRest(task.record.scope));
  reference.set_bytes_added(part.bytes_added());
  reference.set_bytes_stored(part.bytes_stored());
}

ConfiguredSource SourceOf(const Unit& unit) {
  return {unit.source, unit.repository, unit.topology};
}

}  // namespace

void BackupCoordinator::Advance(Run& run, std::size_t unit) {
  if (AdvanceCompose(run, unit)) return;
  Unit& source = run.units[unit];
  if (source.topology == Topology::kLocal) {
    const bool is_composed = std::ranges::any_of(source.tasks, [&](std::uint32_t number) {
      return run.tasks[number].record.state == TaskState::kComposed;
    });
    if (is_composed || !AdvanceRetries(run, unit)) {
      const bool all_settled = std::ranges::all_of(
          source.tasks, [&](std::uint32_t number) { return IsSettled(run.tasks[number].record); });
      if (is_composed || all_settled) runs_.EndUnit(run, unit);
    }
    return;
  }
  if (AdvanceRetries(run, unit)) return;
  const auto is_settled = [&](std::uint32_t number) { return IsSettled(run.tasks[number].record); };
  if (!std::ranges::all_of(source.tasks, is_settled)) return;
  if (source.topology == Topology::kSharded && StartRest(run, unit)) return;
  if (std::ranges::any_of(source.tasks, [&](std::uint32_t number) {
        const TaskRecord& task = run.tasks[number].record;
        return HasData(task.scope) && task.state == TaskState::kSaved;
      })) {
    StartCompose(run, unit);
  } else {
    runs_.EndUnit(run, unit);
  }
}

// True while a task is retried, or will be.
bool BackupCoordinator::AdvanceRetries(Run& run, std::size_t unit) {
  bool is_waiting = false;
  const std::vector<std::uint32_t> numbers = run.units[unit].tasks;
  for (std::uint32_t number : numbers) {
    Task& task = run.tasks[number];
    if (!IsSettled(task.record) || task.record.state == TaskState::kSaved ||
        task.record.state == TaskState::kComposed || task.record.state == TaskState::kCancelled ||
        !MayTryAgain(step_.options(), run, task) || IsCovered(run, run.units[unit], task)) {
      continue;
    }
    is_waiting = Retry(run, unit, run.tasks[number]) || is_waiting;
  }
  return is_waiting;
}

bool BackupCoordinator::Retry(Run& run, std::size_t unit, Task& task) {
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
                   .scope = IsRest(before.scope) ? RestScope(run, run.units[unit]) : before.scope};
  if (CanRunElsewhere(before) &&
      (may_help || before.state == TaskState::kLost || before.state == TaskState::kRefused)) {
    std::vector<Agent*> able = cluster_.AbleAgents(SourceOf(run.units[unit]), OrderKind::kBackup);
    std::erase_if(able, [&](const Agent* agent) {
      return std::ranges::any_of(run.units[unit].tasks, [&](std::uint32_t number) {
        const TaskRecord& other = run.tasks[number].record;
        return IsSameTask(other, before) && other.node == agent->record.node;
      });
    });
    if (const Agent* other = LeastBusy(able)) {
      new_task.node = other->record.node;
      runs_.PlanBackup(run, new_task.node, {runs_.AddTask(run, new_task)}, new_task.round);
      // The first agent can still save what only it has.
      const Agent* first = cluster_.Find(before.node);
      if (may_help && !IsRest(before.scope) && first != nullptr && first->is_connected()) {
        new_task.node = before.node;
        new_task.scope = BackupScope::kMember;
        runs_.PlanBackup(run, new_task.node, {runs_.AddTask(run, new_task)}, new_task.round);
      }
      return true;
    }
  }
  if (!may_help) return false;
  if (step_.now().mono_ms < task.retry_ms) {
    step_.timers().SetSooner(UnitTimer(run, unit), task.retry_ms);
    return true;
  }
  const std::uint32_t number = runs_.AddTask(run, new_task);
  runs_.PlanBackup(run, new_task.node, {number}, new_task.round);
  return true;
}

// For a sharded source, after every node has saved its shards or failed: one agent saves the rest.
// True if that starts now or waits for an agent.
bool BackupCoordinator::StartRest(Run& run, std::size_t unit) {
  const Unit& source = run.units[unit];
  std::vector<Agent*> well;  // that have saved their part
  for (std::uint32_t number : source.tasks) {
    const TaskRecord& task = run.tasks[number].record;
    if (IsRest(task.scope)) return false;
    if (task.state == TaskState::kSaved) well.push_back(&cluster_.At(task.node));
  }
  if (well.empty()) return false;
  const std::vector<Agent*> able = cluster_.AbleAgents(SourceOf(source), OrderKind::kBackup);
  if (able.empty()) {
    step_.timers().SetSooner(UnitTimer(run, unit), step_.now().mono_ms + kComposerWaitMs);
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
                         .scope = RestScope(run, source)};
  runs_.PlanBackup(run, new_task.node, {runs_.AddTask(run, new_task)}, new_task.round);
  return true;
}

// --- compose

// True if the source is being composed or is done, or if the next composer must wait.
bool BackupCoordinator::AdvanceCompose(Run& run, std::size_t unit) {
  Unit& source = run.units[unit];
  if (source.composes.empty()) return false;
  Task& task = run.tasks[source.composes.back()];
  if (task.record.state == TaskState::kComposed) {
    runs_.EndUnit(run, unit);
    return true;
  }
  const bool is_fenced =
      step_.now().mono_ms >= FenceOf(source) || step_.options().planted_bug == PlantedBug::kNoFence;
  const bool has_answered = IsFinal(task.record.state);
  const bool may_have_written = !has_answered || (task.record.error && task.record.error->began);
  if (may_have_written && !is_fenced) {
    step_.timers().SetSooner(UnitTimer(run, unit), FenceOf(source));
    return true;
  }
  if (!has_answered) {
    step_.Audit("task.given_up", "controller", task.record.node, run.record.run,
                {{"source", task.record.source}, {"task", std::to_string(task.record.number)}});
    runs_.SetState(
        run, task, TaskState::kFailed,
        TaskError{.code = "timed_out",
                  .message = fmt::format("{} did not compose it in time", Quote(task.record.node)),
                  .retryable = true});
  }
  const bool may_help = task.record.state == TaskState::kRefused ||
                        (task.record.error && task.record.error->retryable);
  if (!may_help || source.composes.size() >= step_.options().compose_attempts) {
    runs_.EndUnit(run, unit);
    return true;
  }
  return false;
}

void BackupCoordinator::StartCompose(Run& run, std::size_t unit) {
  // Of each node, take the part of its last round; of parts with data, the first. Of the rests,
  // take one, preferably without data: then the data is in its own node's part.
  const Unit& composed = run.units[unit];
  const Task* rest = nullptr;
  for (std::uint32_t number : composed.tasks) {
    const Task& task = run.tasks[number];
    if (!IsRest(task.record.scope) || task.record.state != TaskState::kSaved) continue;
    if (rest == nullptr || (HasData(rest->record.scope) && !HasData(task.record.scope)))
      rest = &task;
  }
  const Task* data = rest != nullptr && HasData(rest->record.scope) ? rest : nullptr;
  std::map<std::string, const Task*> parts;
  std::map<std::string, std::string> missing;
  std::string missing_rest;
  for (std::uint32_t number : composed.tasks) {
    const Task& task = run.tasks[number];
    if (task.record.state != TaskState::kSaved) {
      std::string& reason = IsRest(task.record.scope) ? missing_rest : missing[task.record.node];
      reason = task.record.error ? task.record.error->message
                                 : std::string(TaskStateName(task.record.state));
    } else if (IsRest(task.record.scope)) {
      continue;
    } else if (!HasData(task.record.scope)) {
      parts[task.record.node] = &task;
    } else if (data == nullptr) {
      data = &task;
    } else {
      missing[task.record.node] = fmt::format("{} has saved the data", Quote(data->record.node));
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
  for (const Agent* agent : cluster_.AbleAgents(SourceOf(composed), OrderKind::kCompose)) {
    if (composer == nullptr || rank(*agent) < rank(*composer)) composer = agent;
  }
  if (composer == nullptr) {
    step_.timers().SetSooner(UnitTimer(run, unit), step_.now().mono_ms + kComposerWaitMs);
    return;
  }

  v1::Plan plan = plans_.New(cluster_.At(composer->record.node), run.record, OrderKind::kCompose,
                             step_.options().compose_life_ms);
  v1::ComposeOrder& order = *plan.mutable_compose();
  order.set_source(data->record.source);
  order.set_repository(data->record.repository);
  order.set_host(data->record.host);
  bool is_met = true;
  for (const auto& [node, task] : parts) {
    if (rest != nullptr && task != data && step_.options().planted_bug == PlantedBug::kLosePart)
      continue;
    const v1::Part part = ReportOf(*task).saved();
    SetReference(*task, part, *order.add_parts());
    is_met = is_met && task->record.round == 0 && !task->record.late && part.cut_on_order();
    missing.erase(node);
  }
  if (rest != nullptr) SetReference(*rest, ReportOf(*rest).saved(), *order.add_parts());
  const std::size_t reason_max = std::min(kReasonBytesMax, kReasonsBytesMax / (missing.size() + 1));
  for (const auto& [node, reason] : missing) {
    v1::LackingPart& one = *order.add_lacking();
    one.set_node(node);
    one.set_reason(ShortenUtf8(reason, reason_max));
  }
  if (composed.topology == Topology::kSharded) {
    order.set_sharded(true);
    if (rest == nullptr) {
      v1::LackingPart& one = *order.add_lacking();
      one.set_reason(ShortenUtf8(missing_rest, reason_max));
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
  const std::uint32_t number = runs_.AddTask(run, new_task);
  run.tasks[number].record.plan_id = ToBytes(plan.plan_id());
  Unit& source = run.units[unit];
  source.fence_ms =
      step_.now().mono_ms + step_.options().compose_life_ms + step_.options().fence_ms;
  source.fence_jumps_ms = composer->hello_jumps_ms;
  step_.timers().SetSooner(UnitTimer(run, unit), FenceOf(source));
  for (const v1::PartReference& part : order.parts())
    source.trees[number].insert(ToBytes(part.tree_id()));
  runs_.Sign(run, plan, OrderKind::kCompose, {number});
}

}  // namespace holdfast::controller
