#include "controller/core/run_requests.h"

#include <algorithm>
#include <map>

#include "common/base/format.h"
#include "controller/core/task_choice.h"

namespace holdfast::controller {
namespace {

// Why the tasks' sources cannot be saved now; empty if they can. Ignores the run `but`.
std::string BusyWith(const RunTable& table, const std::vector<NewTask>& new_tasks,
                     const std::string& but) {
  for (const auto& [name, run] : table.all()) {
    if (name == but || run.record.state != RunState::kRunning || run.allows_backups) continue;
    if (run.record.kind != OrderKind::kBackup && run.record.kind != OrderKind::kRestoreInPlace)
      continue;
    for (const NewTask& new_task : new_tasks) {
      const std::string local = new_task.source + "@" + new_task.node;
      auto unit = run.unit_of.find(new_task.topology == Topology::kLocal ? local : new_task.source);
      // A restore in place concerns one node, whatever the source's topology.
      if (unit == run.unit_of.end() && run.record.kind == OrderKind::kRestoreInPlace) {
        unit = run.unit_of.find(local);
      }
      if (unit != run.unit_of.end() && !run.units[unit->second].has_ended) {
        return fmt::format("{} is busy with run {}", Quote(new_task.source), name);
      }
    }
  }
  return "";
}

}  // namespace

void RunRequests::Handle(const event::RunRequested& event) {
  step_.Reply(event.request, Request(event));
}

Result<Answer> RunRequests::Request(const event::RunRequested& event) {
  HF_CHECK(event.kind == OrderKind::kBackup || event.kind == OrderKind::kProbe ||
           event.kind == OrderKind::kVerify || event.kind == OrderKind::kInventory);
  HF_TRY(CheckNote(event.reason));
  HF_TRY(CheckCanOrder(step_));
  std::size_t running = 0;
  std::size_t queued = 0;
  for (const auto& [name, run] : runs_.table().all()) {
    running += run.record.state == RunState::kRunning ? 1 : 0;
    queued += run.record.state == RunState::kQueued ? 1 : 0;
  }
  std::vector<std::string> repositories = {event.repository};
  const bool over_repository =
      event.kind == OrderKind::kVerify || event.kind == OrderKind::kInventory;
  if (over_repository && event.repository.empty()) {
    repositories = cluster_.Repositories();
    if (repositories.empty()) {
      return Fail(ErrorCode::kNotFound, "no agent has a repository", "see `holdfast agent list`");
    }
  }
  if (running + repositories.size() > step_.options().runs_max) {
    return Fail(ErrorCode::kBusy, "already running: " + FormatCount(running, "run"),
                "wait for some to end, or cancel them");
  }

  Answer answer;
  for (const std::string& repository : repositories) {
    RunRecord wanted{.kind = event.kind, .selectors = event.selectors, .repository = repository};
    HF_ASSIGN(const std::vector<NewTask> new_tasks, ChooseTasks(cluster_, wanted));
    const std::string busy = BusyWith(runs_.table(), new_tasks, "");
    if (event.kind == OrderKind::kBackup && !busy.empty()) {
      if (!event.queue_if_busy) {
        return Fail(ErrorCode::kBusy, busy, "wait until it ends, or use `--if-busy queue`");
      }
      if (queued >= step_.options().queued_max) {
        return Fail(ErrorCode::kBusy, "already waiting: " + FormatCount(queued, "run"),
                    "wait for some to end, or cancel them");
      }
    }
    Run& run = AddRun(event, repository);
    answer.runs.push_back(run.record.run);
    if (event.kind == OrderKind::kBackup && !busy.empty()) {
      run.record.state = RunState::kQueued;
      run.record.message = busy;
    } else {
      Begin(run, new_tasks);
    }
  }
  return answer;
}

Run& RunRequests::AddRun(const event::RunRequested& event, const std::string& repository) {
  const std::string name = step_.NewUlid();
  Run& run = runs_.table().Add(name);
  run.record.kind = event.kind;
  run.record.requester = event.actor;
  run.record.reason = event.reason;
  run.record.selectors = event.selectors;
  run.record.queue_if_busy = event.queue_if_busy;
  run.record.splay_ms = event.splay_ms;
  run.record.created_ms = step_.now().wall_ms;
  run.record.repository = repository;
  run.record.read_data = event.read_data;
  std::string selectors;
  for (const std::string& selector : event.selectors)
    selectors += (selectors.empty() ? "" : " ") + selector;
  step_.Audit("run.requested", event.actor, name, name,
              {{"kind", std::string(OrderKindName(event.kind))},
               {"selectors", selectors},
               {"repository", repository},
               {"reason", event.reason}});
  return run;
}

void RunRequests::Begin(Run& run, const std::vector<NewTask>& new_tasks) {
  run.record.state = RunState::kRunning;
  run.record.message.clear();
  run.record.started_ms = step_.now().wall_ms;
  run.record.deadline_ms = step_.now().wall_ms + LifeMs(step_.options(), run.record.kind);
  step_.SetTimer(TimerKind::kRun, LifeMs(step_.options(), run.record.kind), run.record.run);
  runs_.table().MarkChanged(run);
  std::map<std::string, std::vector<std::uint32_t>> of_node;
  for (const NewTask& new_task : new_tasks) {
    if (new_task.kind == OrderKind::kBackup) {
      of_node[new_task.node].push_back(runs_.AddTask(run, new_task));
    } else {
      runs_.PlanSingle(run, new_task);
    }
  }
  for (const auto& [node, numbers] : of_node) runs_.PlanBackup(run, node, numbers, 0);
  for (std::size_t unit = 0; unit < run.units.size(); ++unit) runs_.table().Touch(run, unit);
}

void RunRequests::BeginQueued() {
  std::vector<NewTask> ahead;
  for (auto& [name, run] : runs_.table().all()) {
    if (run.record.state != RunState::kQueued) continue;
    Result<std::vector<NewTask>> new_tasks = ChooseTasks(cluster_, run.record);
    if (const Result<void> can = CheckCanOrder(step_); !can) new_tasks = Fail(can.error());
    if (!new_tasks) {
      run.record.message = new_tasks.error().message();
      run.record.hint = new_tasks.error().hint();
      runs_.End(run);
      continue;
    }
    const bool must_wait = std::ranges::any_of(*new_tasks, [&](const NewTask& new_task) {
      return std::ranges::any_of(ahead, [&](const NewTask& other) {
        return new_task.source == other.source &&
               (new_task.topology != Topology::kLocal || new_task.node == other.node);
      });
    });
    ahead.insert(ahead.end(), new_tasks->begin(), new_tasks->end());
    if (must_wait || !BusyWith(runs_.table(), *new_tasks, name).empty()) continue;
    step_.Audit("run.begun", "controller", name, name);
    Begin(run, *new_tasks);
  }
}

void RunRequests::Handle(const event::CancelRequested& event) {
  Run* run = runs_.table().Find(event.run);
  if (run == nullptr || IsFinal(run->record.state)) {
    step_.Reply(event.request,
                Fail(ErrorCode::kNotFound, fmt::format("no run {} is running", Quote(event.run)),
                     "see `holdfast run list`"));
    return;
  }
  runs_.Cancel(*run, event.actor);
  step_.Reply(event.request, Answer{.runs = {event.run}});
}

}  // namespace holdfast::controller
