// The open tasks of accepted plans, their reported outcomes, and the ends of runs.
// Starts no jobs. Knows StepContext, Plans, Reports, Parts, ProgressSender and Task.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>

#include "agent/core/events.h"
#include "agent/core/parts.h"
#include "agent/core/plans.h"
#include "agent/core/progress_sender.h"
#include "agent/core/records.h"
#include "agent/core/reports.h"
#include "agent/core/step_context.h"
#include "agent/core/task.h"
#include "common/base/bytes.h"

namespace holdfast::agent {

class Tasks {
 public:
  Tasks(const Loaded& loaded, StepContext& step, Plans& plans, Reports& reports, Parts& parts,
        ProgressSender& progress);

  // Only Open() adds tasks; only Finish() removes them.
  std::map<TaskKey, Task>& all() { return tasks_; }
  const std::map<TaskKey, Task>& all() const { return tasks_; }
  Task* Find(const TaskKey& key);
  bool HasEnded(const TaskKey& key) const { return ended_.contains(key); }

  void Open(Task task);
  void SetState(Task& task, TaskState state);
  void MarkAllChanged();
  void Cut(Task& task, bool is_on_order);
  void CutAfterWait(const std::string& timer);
  // Stops running or waiting tasks. A snapshot write is not interrupted; it has its own time limit.
  void StopIf(const std::function<bool(const Task&)>& predicate, const std::string& reason);
  // REQUIRES: no job of the task is running, and it holds nothing. `task` becomes invalid.
  void Fail(Task& task, const TaskError& error);
  // Reports the outcome. `task` becomes invalid.
  void Finish(Task& task, TaskState state, v1::Report report);
  // REQUIRES: the plan has no open task.
  void ForgetPlan(const Bytes& plan_id);

  bool HasEndedRun(const std::string& run) const { return ended_runs_.contains(run); }
  void EndRun(const EndedRunRecord& record);
  // Ends an ended run on this node once none of its tasks is active and its locks can be released.
  void CheckEnds(const std::string& run);
  void ForgetRun(const std::string& run);

 private:
  void Stop(Task& task, const std::string& reason);

  StepContext& step_;
  Plans& plans_;
  Reports& reports_;
  Parts& parts_;
  ProgressSender& progress_;
  std::map<TaskKey, Task> tasks_;
  std::set<TaskKey> ended_;  // of plans that are not forgotten
  std::set<std::string> ended_runs_;
};

}  // namespace holdfast::agent
