#include "controller/core/runs.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "common/base/format.h"
#include "common/protocol/limits.h"
#include "proto/holdfast/v1/plan.pb.h"
#include "proto/holdfast/v1/trust.pb.h"

namespace holdfast::controller {
namespace {

constexpr std::int64_t kCutPlanLifeMs = 5 * 60'000;
constexpr std::int64_t kEndLifeMs = 23 * 3'600'000LL;

// The plan in an envelope that this controller signed; empty if malformed.
v1::Plan PlanIn(const Bytes& bytes) {
  v1::Envelope envelope;
  v1::Plan plan;
  if (envelope.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    (void)plan.ParseFromString(envelope.payload());
  }
  return plan;
}

// The trees in a compose order that this controller signed.
std::set<Bytes> TreesOf(const Bytes& bytes) {
  std::set<Bytes> trees;
  const v1::Plan plan = PlanIn(bytes);
  for (const v1::PartReference& part : plan.compose().parts())
    trees.insert(ToBytes(part.tree_id()));
  return trees;
}

}  // namespace

std::int64_t LifeMs(const Options& options, OrderKind kind) {
  switch (kind) {
    case OrderKind::kProbe:
      return options.probe_life_ms;
    case OrderKind::kVerify:
      return options.verify_life_ms;
    case OrderKind::kInventory:
      return options.inventory_life_ms;
    case OrderKind::kRestore:
    case OrderKind::kRestoreInPlace:
      return options.restore_life_ms;
    default:
      return options.backup_life_ms;
  }
}

Timer UnitTimer(const Run& run, std::size_t unit) {
  return {TimerKind::kUnit, run.record.run + "/" + std::to_string(unit)};
}

Runs::Runs(StepContext& step, Cluster& cluster, Plans& plans, const Loaded& loaded)
    : step_(step), cluster_(cluster), plans_(plans), table_(loaded) {
  for (const PlanRecord& record : loaded.plans) {
    Run* run = table_.Find(record.run);
    if (run == nullptr) continue;
    plans_.Load(record);
    run->plans.push_back(record.plan_id);
  }
}

void Runs::Resume() {
  for (auto& [name, run] : table_.all()) ResumeRun(run);
}

void Runs::ResumeRun(Run& run) {
  for (Task& task : run.tasks) ResumeTask(run, task);
  for (const Bytes& id : run.plans) ResumePlan(run, id);
  if (run.record.state == RunState::kQueued) return;
  if (IsFinal(run.record.state)) {
    CloseIfDone(run);
    return;
  }
  step_.SetTimer(TimerKind::kRun, LeftMs(run), run.record.run);
  for (std::size_t unit = 0; unit < run.units.size(); ++unit) table_.Touch(run, unit);
}

void Runs::ResumeTask(Run& run, Task& task) {
  const TaskRecord& record = task.record;
  Unit& unit = AddToUnit(run, task);
  const v1::Report report = ReportOf(task);
  task.is_whole = IsWhole(report);
  task.is_partial = report.restored().has_partly();
  task.retry_ms = step_.now().mono_ms + step_.options().retry_after_ms;
  if (record.kind == OrderKind::kCompose) {
    // A plan that was too large was never stored.
    if (const Plan* plan = plans_.Find(record.plan_id))
      unit.trees[record.number] = TreesOf(plan->record.envelope);
    // How much of this time has passed is not known, so it starts again.
    unit.fence_ms =
        step_.now().mono_ms + step_.options().compose_life_ms + step_.options().fence_ms;
  }
  if (Plan* plan = plans_.Find(record.plan_id)) {
    plan->tasks.resize(std::max<std::size_t>(plan->tasks.size(), record.plan_task + 1));
    plan->tasks[record.plan_task] = record.number;
    if (!record.report.empty()) plan->outcomes.insert(record.plan_task);
    if (record.kind == OrderKind::kRestoreInPlace) {
      run.allows_backups = PlanIn(plan->record.envelope).restore().has_named();
    }
  }
  Agent* agent = cluster_.Find(record.node);
  if (agent != nullptr && !IsFinal(record.state) && record.state != TaskState::kSaved) {
    agent->tasks.emplace(run.record.run, record.number);
  }
  task.is_ready = run.record.cut_ms != 0 || record.kind != OrderKind::kBackup ||
                  record.round != 0 || IsSettled(record);
  if (!task.is_ready) ++run.unready;
  if (record.state == TaskState::kSaved) {
    task.progress.items = report.saved().items();
    task.progress.bytes = report.saved().bytes();
  }
  if (record.kind == OrderKind::kInventory && record.state == TaskState::kDone) {
    for (const auto& one : report.inventory().snapshots()) run.seen.push_back(ToBytes(one.id()));
  }
}

void Runs::ResumePlan(Run& run, const Bytes& id) {
  const Plan& plan = plans_.At(id);
  if (plan.record.state != PlanState::kSent) return;
  Agent* agent = cluster_.Find(plan.record.node);
  if (agent != nullptr && agent->record.incarnation == plan.record.incarnation) {
    agent->unanswered.insert(id);
  }
  if (plan.record.kind == OrderKind::kEnd) {
    run.ends.insert(id);
    step_.SetTimer(TimerKind::kExpire, step_.MsUntil(plan.record.expires_ms),
                   std::string(AsText(id)));
  }
  plans_.Resume(plan);
}

// --- tasks and plans

std::uint32_t Runs::AddTask(Run& run, const NewTask& new_task) {
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
                 .scope = new_task.scope,
                 .created_ms = step_.now().wall_ms};
  AddToUnit(run, task);
  task.is_ready = new_task.kind != OrderKind::kBackup || new_task.round != 0;
  if (!task.is_ready) ++run.unready;
  cluster_.At(new_task.node).tasks.emplace(run.record.run, task.record.number);
  table_.MarkChanged(task);
  return task.record.number;
}

const Plan* Runs::Sign(Run& run, const v1::Plan& message, OrderKind kind,
                       std::vector<std::uint32_t> tasks) {
  Plan* plan = plans_.Sign(message, kind);
  if (plan == nullptr) {
    for (const std::uint32_t number : tasks) {
      Task& task = run.tasks[number];
      task.record.plan_id.clear();
      SetState(run, task, TaskState::kFailed,
               TaskError{.code = "invalid_argument",
                         .message =
                             fmt::format("the plan for node {} would be {}; the limit is {}",
                                         Quote(message.node()), FormatBytes(message.ByteSizeLong()),
                                         FormatBytes(protocol::kPayloadBytesMax)),
                         .hint = "select fewer sources per run"});
    }
    return nullptr;
  }
  plan->tasks = std::move(tasks);
  run.plans.push_back(plan->record.plan_id);
  return plan;
}

// The rest of the run's life; at most all of it, even if the clock has jumped.
std::int64_t Runs::LeftMs(const Run& run) const {
  return std::clamp<std::int64_t>(run.record.deadline_ms - step_.now().wall_ms, 0,
                                  LifeMs(step_.options(), run.record.kind));
}

namespace {

// The parts that a rest does not have to save again.
void AddOthers(const Run& run, const Unit& unit, v1::BackupTask& order) {
  for (std::uint32_t number : unit.tasks) {
    const Task& task = run.tasks[number];
    if (IsRest(task.record.scope) || task.record.state != TaskState::kSaved) continue;
    v1::PartReference& other = *order.add_others();
    other.set_node(task.record.node);
    other.set_tree_id(ReportOf(task).saved().tree_id());
  }
}

}  // namespace

// Records the refusal that the agent itself would have sent.
void Runs::RefuseFor(const Agent& agent, Run& run, Task& task) {
  const Error error = Unsupported(agent, task.record.kind);
  SetState(run, task, TaskState::kRefused,
           TaskError{.code = "order", .message = error.message(), .hint = error.hint()});
}

// Signs one plan for all of a node's tasks of a round.
void Runs::PlanBackup(Run& run, const std::string& node, const std::vector<std::uint32_t>& numbers,
                      std::uint32_t round) {
  Agent& agent = cluster_.At(node);
  if (!agent.Supports(OrderKind::kBackup)) {
    for (std::uint32_t number : numbers) RefuseFor(agent, run, run.tasks[number]);
    return;
  }
  // Locks are kept until the plan expires, which is later than the run can compose.
  const std::int64_t left_ms = LeftMs(run);
  v1::Plan plan = plans_.New(agent, run.record, OrderKind::kBackup, left_ms + 3'600'000);
  v1::BackupOrder& order = *plan.mutable_backup();
  // A later round has missed the others' cut, so it does not wait.
  order.set_cut_wait_ms(round == 0 ? static_cast<std::uint32_t>(step_.options().cut_wait_ms) : 0);
  order.set_splay_ms(run.record.splay_ms);
  for (std::uint32_t number : numbers) {
    Task& task = run.tasks[number];
    v1::BackupTask& one = *order.add_tasks();
    one.set_source(task.record.source);
    one.set_repository(task.record.repository);
    one.set_data(HasData(task.record.scope));
    one.set_compose(task.record.scope == BackupScope::kOnlyPart);
    one.set_start_after_ms(StartDelayMs(task.record.repository));
    one.set_round(task.record.round);
    if (IsSharded(task.record.scope)) {
      one.set_shards(IsRest(task.record.scope) ? v1::SHARDS_REST : v1::SHARDS_NEAR);
    }
    if (IsRest(task.record.scope)) AddOthers(run, run.units[task.unit], one);
    task.record.plan_id = ToBytes(plan.plan_id());
    task.record.plan_task = static_cast<std::uint32_t>(order.tasks_size() - 1);
    table_.MarkChanged(task);
  }
  if (Sign(run, plan, OrderKind::kBackup, numbers) == nullptr) return;
  if (agent.is_lost) {
    // The lease has already passed; do not wait for another one.
    for (std::uint32_t number : numbers) SetState(run, run.tasks[number], TaskState::kLost);
  }
}

void Runs::PlanSingle(Run& run, const NewTask& new_task) {
  const std::uint32_t number = AddTask(run, new_task);
  Task& task = run.tasks[number];
  Agent& agent = cluster_.At(new_task.node);
  if (!agent.Supports(new_task.kind)) return RefuseFor(agent, run, task);
  v1::Plan plan = plans_.New(agent, run.record, new_task.kind, LeftMs(run) + 60'000);
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
  table_.MarkChanged(task);
  if (Sign(run, plan, new_task.kind, {number}) == nullptr) return;
  if (agent.is_lost) SetState(run, task, TaskState::kLost);
}

// A token bucket per repository: many starts at once would hurt the repository, not the bus.
std::uint32_t Runs::StartDelayMs(const std::string& repository) {
  const double interval_ms = 1000.0 / step_.options().starts_per_s;
  const auto now_ms = static_cast<double>(step_.now().mono_ms);
  double& turn = next_start_ms_[repository];
  turn = std::max(turn, now_ms);
  const double delay = std::max(0.0, turn - step_.options().starts_burst * interval_ms - now_ms);
  turn += interval_ms;
  return static_cast<std::uint32_t>(std::llround(delay));
}

void Runs::StartSigned(const DraftRecord& draft) {
  v1::Plan plan;
  HF_CHECK(plan.ParseFromArray(draft.payload.data(), static_cast<int>(draft.payload.size())));
  Run& run = table_.Add(draft.run);
  run.record = {.run = draft.run,
                .kind = draft.kind,
                .requester = draft.requester,
                .reason = draft.reason,
                .selectors = {fmt::format("{}@{}", draft.source, draft.node)},
                .created_ms = draft.created_ms,
                .started_ms = step_.now().wall_ms,
                .deadline_ms = plan.expires_at_ms(),
                .repository = draft.repository};
  run.allows_backups = plan.restore().has_named();
  step_.Audit("run.requested", draft.requester, draft.run, draft.run,
              {{"kind", std::string(OrderKindName(draft.kind))}, {"source", draft.source}});
  step_.SetTimer(TimerKind::kRun, LeftMs(run), draft.run);
  const std::uint32_t number = AddTask(run, {.kind = draft.kind,
                                             .node = draft.node,
                                             .source = draft.source,
                                             .repository = draft.repository,
                                             .host = draft.node});
  run.tasks[number].record.plan_id = draft.plan_id;
  run.tasks[number].record.snapshot = ToBytes(plan.restore().snapshot());
  // The same bytes that operators signed: nothing is serialised again.
  plans_.Sign(plan, draft.payload, draft.kind, draft.approvals).tasks = {number};
  run.plans.push_back(draft.plan_id);
}

// --- states

void Runs::SetState(Run& run, Task& task, TaskState state, std::optional<TaskError> error) {
  task.record.state = state;
  task.live = state;
  const bool is_well = state == TaskState::kPlanned || state == TaskState::kAccepted ||
                       state == TaskState::kSaved || state == TaskState::kComposed ||
                       state == TaskState::kDone;
  if (error || is_well) task.record.error = std::move(error);
  if (IsSettled(task.record)) {
    task.record.ended_ms = step_.now().wall_ms;
    task.retry_ms = step_.now().mono_ms + step_.options().retry_after_ms;
  } else {
    task.record.ended_ms = 0;
  }
  Agent* agent = cluster_.Find(task.record.node);
  if (agent != nullptr && (IsFinal(state) || state == TaskState::kSaved)) {
    agent->tasks.erase({run.record.run, task.record.number});
  }
  table_.MarkChanged(task);
  if (!task.is_ready && IsSettled(task.record)) {
    task.is_ready = true;
    --run.unready;
    CheckCut(run);
  }
  table_.Touch(run, task.unit);
}

void Runs::SetLive(Run& run, Task& task, TaskState state) {
  task.live = state;
  if (task.is_ready || state < TaskState::kPrepared) return;
  task.is_ready = true;
  --run.unready;
  CheckCut(run);
}

void Runs::CheckCut(Run& run) {
  if (run.record.kind != OrderKind::kBackup || run.record.cut_ms != 0 || IsFinal(run.record.state))
    return;
  if (run.unready == 0) {
    Cut(run);
  } else if (!run.is_cut_armed) {
    run.is_cut_armed = true;
    step_.SetTimer(TimerKind::kCut, step_.options().cut_window_ms, run.record.run);
  }
}

// Orders all prepared tasks to cut now. A late task cuts as soon as it is prepared.
void Runs::Cut(Run& run) {
  if (run.record.cut_ms != 0 || IsFinal(run.record.state)) return;
  run.record.cut_ms = step_.now().wall_ms;
  table_.MarkChanged(run);
  step_.CancelTimer(TimerKind::kCut, run.record.run);
  std::set<Bytes> plans;
  for (Task& task : run.tasks) {
    if (task.record.kind != OrderKind::kBackup || task.record.round != 0) continue;
    if (!task.is_ready) {
      task.record.late = true;
      task.is_ready = true;
      --run.unready;
      table_.MarkChanged(task);
    }
    if (!IsSettled(task.record)) plans.insert(task.record.plan_id);
  }
  for (const Bytes& id : plans) {
    Agent& agent = cluster_.At(plans_.At(id).record.node);
    v1::Plan plan = plans_.New(agent, run.record, OrderKind::kCut, kCutPlanLifeMs);
    plan.mutable_cut()->set_backup_plan_id(std::string(AsText(id)));
    Sign(run, plan, OrderKind::kCut);
  }
  step_.Audit("run.cut", "controller", run.record.run, run.record.run,
              {{"plans", std::to_string(plans.size())}});
}

void Runs::Advance(Run& run, std::size_t unit) {
  const TaskRecord& last = run.tasks[run.units[unit].tasks.back()].record;
  if (!IsSettled(last)) return;
  if (last.kind == OrderKind::kInventory && last.state == TaskState::kDone) {
    const v1::Report report = ReportOf(run.tasks[last.number]);
    const auto& snapshots = report.inventory().snapshots();
    if (report.inventory().more() && !snapshots.empty() &&
        step_.options().planted_bug != PlantedBug::kForgetInventory) {
      PlanSingle(run, {.kind = OrderKind::kInventory,
                       .node = last.node,
                       .repository = last.repository,
                       .round = last.round + 1,
                       .after = HexEncode(AsBytes(snapshots[snapshots.size() - 1].id()))});
      return;
    }
    std::ranges::sort(run.seen);
    step_.Put(InventoryEnded{run.record.repository, run.record.started_ms, std::move(run.seen)});
    run.seen.clear();
  }
  EndUnit(run, unit);
}

void Runs::FailTasksOf(Agent& agent, const std::string& reason) {
  for (const auto& [name, number] : std::set(agent.tasks)) {
    Run* run = table_.Find(name);
    if (run == nullptr) continue;
    SetState(*run, run->tasks[number], TaskState::kFailed,
             TaskError{.code = "denied", .message = reason});
  }
  agent.tasks.clear();
  agent.unanswered.clear();
}

// --- the end

void Runs::EndUnit(Run& run, std::size_t unit) {
  Unit& source = run.units[unit];
  if (source.has_ended) return;
  source.has_ended = true;
  step_.timers().Cancel(UnitTimer(run, unit));
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
  if (--run.open_units == 0) End(run);
}

void Runs::Cancel(Run& run, const std::string& actor) {
  run.record.cancelled = true;
  run.verdict = "cancelled";
  table_.MarkChanged(run);
  step_.Audit("run.cancelled", actor, run.record.run, run.record.run);
  End(run);
}

void Runs::End(Run& run) {
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
  run.record.state = StateOf(run);
  run.record.ended_ms = step_.now().wall_ms;
  run.open_units = 0;
  for (Unit& unit : run.units) unit.has_ended = true;
  table_.MarkChanged(run);
  step_.CancelTimer(TimerKind::kRun, run.record.run);
  step_.CancelTimer(TimerKind::kCut, run.record.run);
  step_.Audit("run.ended", "controller", run.record.run, run.record.run,
              {{"state", std::string(RunStateName(run.record.state))}});
  step_.Perform(action::RunEnded{run.record.run, run.record.state});
  SendEnds(run);
  CloseIfDone(run);
  may_begin_queued_ = true;
}

// To every agent that may still have something of the run: locks, a job, or a plan that arrives
// later.
void Runs::SendEnds(Run& run) {
  std::set<std::string> nodes;
  for (const Task& task : run.tasks) {
    const TaskRecord& record = task.record;
    if (record.plan_id.empty()) continue;
    const bool is_silent = record.report.empty();
    const bool holds_lock =
        record.kind == OrderKind::kBackup &&
        !(record.scope == BackupScope::kOnlyPart && record.state == TaskState::kComposed) &&
        record.state != TaskState::kRefused;
    const Agent* agent = cluster_.Find(record.node);
    const Plan& plan = plans_.At(record.plan_id);
    if (agent == nullptr || agent->record.revoked ||
        agent->record.incarnation != plan.record.incarnation) {
      continue;
    }
    if (is_silent || holds_lock) nodes.insert(record.node);
  }
  // Unanswered plans are not sent again. The EndOrder also reaches agents that received them.
  for (const Bytes& id : std::vector(run.plans)) {
    Plan& plan = plans_.At(id);
    if (plan.record.state == PlanState::kSent) plans_.SetAnswered(plan, PlanState::kExpired);
  }
  for (const std::string& node : nodes) {
    v1::Plan plan = plans_.New(cluster_.At(node), run.record, OrderKind::kEnd, kEndLifeMs);
    plan.mutable_end()->set_cancelled(run.record.cancelled);
    Sign(run, plan, OrderKind::kEnd);
    run.ends.insert(ToBytes(plan.plan_id()));
    step_.SetTimer(TimerKind::kExpire, kEndLifeMs, plan.plan_id());
  }
}

void Runs::CloseIfDone(Run& run) {
  if (!IsFinal(run.record.state) || !run.ends.empty() || run.record.closed) return;
  run.record.closed = true;
  for (const Task& task : run.tasks) {
    if (Agent* agent = cluster_.Find(task.record.node))
      agent->tasks.erase({run.record.run, task.record.number});
  }
  table_.MarkChanged(run);
  closed_.push_back(run.record.run);
}

void Runs::TakeEndAnswer(Run& run, const Bytes& plan_id) {
  run.ends.erase(plan_id);
  CloseIfDone(run);
}

void Runs::Amend(Run& run) {
  const RunState state = StateOf(run);
  if (state == run.record.state) return;
  run.record.state = state;
  table_.MarkChanged(run);
  step_.Audit("run.amended", "controller", run.record.run, run.record.run,
              {{"state", std::string(RunStateName(state))}});
}

void Runs::RemoveClosed() {
  for (const std::string& name : closed_) {
    for (const Bytes& id : table_.Find(name)->plans) plans_.Remove(id);
    step_.CancelTimer(TimerKind::kRun, name);
    step_.CancelTimer(TimerKind::kCut, name);
    table_.Remove(name);
  }
  closed_.clear();
}

void Runs::HandleDeadline(const Timer& timer) {
  const auto& [kind, name] = timer;
  if (kind == TimerKind::kExpire) {
    Plan* plan = plans_.Find(ToBytes(name));
    if (plan == nullptr) return;
    step_.Audit("plan.expired", "controller", plan->record.node, plan->record.run,
                {{"plan", HexEncode(plan->record.plan_id)}});
    plans_.SetAnswered(*plan, PlanState::kExpired);
    if (Run* run = table_.Find(plan->record.run)) TakeEndAnswer(*run, plan->record.plan_id);
    return;
  }
  const std::size_t slash = name.find('/');  // npos except for kUnit
  Run* run = table_.Find(name.substr(0, slash));
  if (run == nullptr) return;
  if (kind == TimerKind::kCut) {
    Cut(*run);
  } else if (kind == TimerKind::kUnit) {
    table_.Touch(*run, std::stoul(name.substr(slash + 1)));
  } else if (!IsFinal(run->record.state)) {
    run->verdict = "timed_out";
    End(*run);
  }
}

}  // namespace holdfast::controller
