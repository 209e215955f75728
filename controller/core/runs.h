// The rules that every kind of run shares: its tasks and their plans, the states of tasks, the cut,
// and the run's end. Knows nothing of retries and of composing: backup_coordinator.h has them.
// States: docs/protocol.md#runs.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/base/bytes.h"
#include "controller/core/cluster.h"
#include "controller/core/plans.h"
#include "controller/core/records.h"
#include "controller/core/run.h"
#include "controller/core/run_table.h"
#include "controller/core/step_context.h"

namespace holdfast::controller {

class Runs {
 public:
  Runs(StepContext& step, Cluster& cluster, Plans& plans, const Loaded& loaded);
  // Continues the loaded runs. REQUIRES: the first step has begun, and nothing else was called.
  void Resume();

  RunTable& table() { return table_; }
  const RunTable& table() const { return table_; }

  // --- tasks and plans

  // Adds a task and returns its number. REQUIRES: give it a plan.
  std::uint32_t AddTask(Run& run, const NewTask& new_task);
  // Signs one plan for all of a node's tasks of a round.
  void PlanBackup(Run& run, const std::string& node, const std::vector<std::uint32_t>& numbers,
                  std::uint32_t round);
  // Adds a task and signs an order for it alone: probe, verify, inventory.
  void PlanSingle(Run& run, const NewTask& new_task);
  // Starts the run of an order that its operators have signed.
  void StartSigned(const DraftRecord& draft);
  // Signs a plan of the run and sends it. `tasks` are the tasks that the plan orders. If the plan
  // is too large, these tasks fail, and the result is null.
  const Plan* Sign(Run& run, const v1::Plan& message, OrderKind kind,
                   std::vector<std::uint32_t> tasks = {});

  // --- states

  // Sets the state that the catalog has.
  void SetState(Run& run, Task& task, TaskState state, std::optional<TaskError> error = {});
  // Sets a state from progress; only memory has it.
  void SetLive(Run& run, Task& task, TaskState state);
  // An agent's open tasks fail: their outcome will never be known.
  void FailTasksOf(Agent& agent, const std::string& reason);
  // Proceeds with a unit that is not a backup. REQUIRES: neither it nor the run has ended.
  void Advance(Run& run, std::size_t unit);

  // --- the end

  // The unit's tasks get their final states. With its last unit, the run ends.
  void EndUnit(Run& run, std::size_t unit);
  void Cancel(Run& run, const std::string& actor);
  // Ends the run and orders its agents to end, unless it has ended.
  void End(Run& run);
  // The agent has answered the EndOrder with this plan id.
  void TakeEndAnswer(Run& run, const Bytes& plan_id);
  // A report has changed an ended run: an agent was away and had done its work.
  void Amend(Run& run);
  // Drops closed runs. REQUIRES: their last records were put.
  void RemoveClosed();
  // Whether queued runs may begin, because a run ended since the last call.
  bool TakeMayBeginQueued() { return std::exchange(may_begin_queued_, false); }

  // REQUIRES: one of kCut, kRun, kUnit and kExpire.
  void HandleDeadline(const Timer& timer);

 private:
  void ResumeRun(Run& run);
  void ResumeTask(Run& run, Task& task);
  void ResumePlan(Run& run, const Bytes& id);
  void CheckCut(Run& run);
  void Cut(Run& run);
  void SendEnds(Run& run);
  void CloseIfDone(Run& run);
  std::int64_t LeftMs(const Run& run) const;
  void RefuseFor(const Agent& agent, Run& run, Task& task);
  std::uint32_t StartDelayMs(const std::string& repository);

  StepContext& step_;
  Cluster& cluster_;
  Plans& plans_;
  RunTable table_;
  std::map<std::string, double> next_start_ms_;  // by repository, of the monotonic clock
  std::vector<std::string> closed_;              // runs
  bool may_begin_queued_ = true;
};

// How long a run of this kind may take.
std::int64_t LifeMs(const Options& options, OrderKind kind);
// The deadline at which the unit is touched.
Timer UnitTimer(const Run& run, std::size_t unit);

}  // namespace holdfast::controller
