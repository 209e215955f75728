#include "agent/core/tasks.h"

#include <utility>
#include <vector>

#include "proto/holdfast/v1/plan.pb.h"

namespace holdfast::agent {
namespace {

// The source's session is open, but no job is working on it.
bool IsIdle(Phase phase) { return phase == Phase::kPrepared || phase == Phase::kCut; }

void CancelTimers(StepContext& step, const TaskKey& key) {
  step.CancelTimer(TimerKind::kCutWait, TimerName(key));
  step.CancelTimer(TimerKind::kStart, TimerName(key));
}

}  // namespace

Tasks::Tasks(const Loaded& loaded, StepContext& step, Plans& plans, Reports& reports, Parts& parts,
             ProgressSender& progress)
    : step_(step), plans_(plans), reports_(reports), parts_(parts), progress_(progress) {
  for (const TaskRecord& record : loaded.tasks) ended_.insert({record.plan_id, record.task});
  for (const EndedRunRecord& record : loaded.ended_runs) ended_runs_.insert(record.run);
}

Task* Tasks::Find(const TaskKey& key) {
  auto found = tasks_.find(key);
  return found == tasks_.end() ? nullptr : &found->second;
}

void Tasks::Open(Task task) {
  const TaskKey key = task.key;
  SetState(tasks_[key] = std::move(task), TaskState::kAccepted);
}

void Tasks::SetState(Task& task, TaskState state) {
  task.state = state;
  progress_.MarkChanged(task.key);
  progress_.SetDue();
}

void Tasks::MarkAllChanged() {
  for (const auto& [key, task] : tasks_) progress_.MarkChanged(key);
  progress_.SetDue();
}

void Tasks::Cut(Task& task, bool is_on_order) {
  step_.CancelTimer(TimerKind::kCutWait, TimerName(task.key));
  task.is_cut_on_order = is_on_order;
  task.is_cut_alone = !is_on_order;
  task.phase = Phase::kCutting;
  step_.Perform(action::Cut{task.key});
}

void Tasks::CutAfterWait(const std::string& timer) {
  for (auto& [key, task] : tasks_) {
    if (TimerName(key) == timer && task.phase == Phase::kPrepared) Cut(task, false);
  }
}

void Tasks::StopIf(const std::function<bool(const Task&)>& predicate, const std::string& reason) {
  std::vector<TaskKey> keys;
  for (const auto& [key, task] : tasks_) {
    if (predicate(task)) keys.push_back(key);
  }
  for (const TaskKey& key : keys) {
    if (Task* task = Find(key)) Stop(*task, reason);
  }
}

void Tasks::Stop(Task& task, const std::string& reason) {
  if (task.is_stopping) return;
  if (task.phase == Phase::kWaiting) {
    Fail(task, {.code = reason,
                .message = reason == "cancelled" ? "the run has ended" : "it has expired"});
    return;
  }
  task.is_stopping = true;
  task.stop_reason = reason;
  if (IsIdle(task.phase)) CancelTimers(step_, task.key);
  if (task.phase != Phase::kWriting) step_.Perform(action::StopTask{task.key});
}

void Tasks::Fail(Task& task, const TaskError& error) {
  v1::Report report = ReportOf(task);
  const bool is_cancelled = error.code == "cancelled";
  v1::Failure& failure = is_cancelled ? *report.mutable_cancelled() : *report.mutable_failed();
  failure.set_code(error.code);
  failure.set_message(error.message.substr(0, 4'000));
  failure.set_hint(error.hint.substr(0, 1'000));
  failure.set_retryable(error.retryable);
  // A snapshot that was sealed before may have been written.
  const bool may_compose = task.kind == OrderKind::kCompose || task.scope == BackupScope::kOnlyPart;
  failure.set_began(error.began || (may_compose && parts_.FindSealed(task) != nullptr));
  failure.set_rolled_back(error.rolled_back);
  Finish(task, is_cancelled ? TaskState::kCancelled : TaskState::kFailed, std::move(report));
}

void Tasks::Finish(Task& task, TaskState state, v1::Report report) {
  const TaskKey key = task.key;
  const std::string run = task.run;
  Plan& plan = *task.plan;
  const TaskRecord record{key.plan_id, key.task, state, reports_.Add(std::move(report))};
  if (!step_.HasBug(PlantedBug::kForgetPlans)) step_.Put(record);
  ended_.insert(key);
  CancelTimers(step_, key);
  progress_.Remove(key);
  tasks_.erase(key);
  if (--plan.open_tasks == 0) plans_.End(plan);
  CheckEnds(run);
}

void Tasks::ForgetPlan(const Bytes& plan_id) {
  std::erase_if(ended_, [&](const TaskKey& key) { return key.plan_id == plan_id; });
}

void Tasks::EndRun(const EndedRunRecord& record) {
  ended_runs_.insert(record.run);
  step_.Put(record);
}

void Tasks::CheckEnds(const std::string& run) {
  if (!HasEndedRun(run)) return;
  for (const auto& [key, task] : tasks_) {
    if (task.run == run) return;
  }
  // A snapshot write from before a crash may still land, so its parts stay locked. kLanding checks
  // again.
  if (parts_.MayLand(run)) return;
  parts_.ReleaseIf([&](const UncomposedPartRecord& part) { return part.run == run; });
  parts_.RemoveSealedOf(run);
  for (auto& [id, plan] : plans_.all()) {
    if (plan.record.kind != OrderKind::kEnd || plan.record.run != run ||
        plan.record.state != PlanState::kAccepted) {
      continue;
    }
    v1::Report report = ReportOf(plan, 0);
    report.mutable_ended();
    reports_.Add(std::move(report));
    plans_.End(plan);
  }
}

void Tasks::ForgetRun(const std::string& run) {
  if (ended_runs_.erase(run) > 0) step_.Put(agent::ForgetRun{run});
}

}  // namespace holdfast::agent
