#include "controller/core/controller_core.h"

#include <utility>

#include "controller/core/backup_coordinator.h"
#include "controller/core/cluster.h"
#include "controller/core/drafts.h"
#include "controller/core/membership.h"
#include "controller/core/plans.h"
#include "controller/core/reports.h"
#include "controller/core/run_requests.h"
#include "controller/core/runs.h"
#include "controller/core/sessions.h"
#include "controller/core/step_context.h"

namespace holdfast::controller {

// In the order of the layers: each knows only those above it.
struct ControllerCore::Parts {
  Parts(const Options& options, const Loaded& loaded, const Trust& trust, Random& random)
      : step(options, trust, random),
        cluster(step, loaded),
        plans(step, cluster),
        runs(step, cluster, plans, loaded),
        reports(step, cluster, plans, runs),
        membership(step, cluster, runs, loaded),
        coordinator(step, cluster, plans, runs),
        requests(step, cluster, runs),
        sessions(step, cluster, plans, runs, reports),
        drafts(step, cluster, plans, runs, loaded) {}

  void Handle(const event::Started& event);
  void Handle(const event::TimePassed&) {}
  void Handle(const event::MessageReceived& event) { sessions.Handle(event); }
  void Handle(const event::ConnectionClosed& event) { sessions.Handle(event); }
  void Handle(const event::RunRequested& event) { requests.Handle(event); }
  void Handle(const event::CancelRequested& event) { requests.Handle(event); }
  void Handle(const event::RestoreRequested& event) { drafts.Handle(event); }
  void Handle(const event::ApprovalGiven& event) { drafts.Handle(event); }
  void Handle(const event::ApprovalDenied& event) { drafts.Handle(event); }
  void Handle(const event::TokenMinted& event) { membership.Handle(event); }
  void Handle(const event::AgentRevoked& event) { membership.Handle(event); }
  void Handle(const event::RootChanged& event) { membership.Handle(event); }
  void Handle(const event::JoinReceived& event) { membership.Handle(event); }
  void HandleDeadline(const Timer& timer);
  void Advance(Run& run, std::size_t unit);
  // Advances touched units until nothing changes, then puts the records that changed.
  void Settle();

  StepContext step;
  Cluster cluster;
  Plans plans;
  Runs runs;
  Reports reports;
  Membership membership;
  BackupCoordinator coordinator;
  RunRequests requests;
  Sessions sessions;
  Drafts drafts;
};

void ControllerCore::Parts::Handle(const event::Started& event) {
  const ClusterRecord& record = cluster.record();
  step.Audit("controller.started", "controller", record.cluster, "",
             {{"version", event.version}, {"epoch", std::to_string(record.epoch)}});
  sessions.Resume(event.version);
  runs.Resume();
  drafts.Resume();
  membership.Resume();
}

void ControllerCore::Parts::HandleDeadline(const Timer& timer) {
  switch (timer.first) {
    case TimerKind::kLease:
    case TimerKind::kFlush:
      return sessions.HandleDeadline(timer);
    case TimerKind::kResend:
      return plans.Resend(ToBytes(timer.second));
    case TimerKind::kCut:
    case TimerKind::kRun:
    case TimerKind::kUnit:
    case TimerKind::kExpire:
      return runs.HandleDeadline(timer);
    case TimerKind::kDraft:
      return drafts.Expire(timer.second);
    case TimerKind::kToken:
      return membership.ExpireToken(timer.second);
  }
}

void ControllerCore::Parts::Advance(Run& run, std::size_t unit) {
  if (run.record.state != RunState::kRunning) return;
  if (unit >= run.units.size() || run.units[unit].has_ended) return;
  if (run.record.kind == OrderKind::kBackup) {
    coordinator.Advance(run, unit);
  } else {
    runs.Advance(run, unit);
  }
}

void ControllerCore::Parts::Settle() {
  // Advancing one unit may touch another. Each touch is progress, so this ends.
  do {
    while (const auto touched = runs.table().PopTouched()) {
      if (Run* run = runs.table().Find(touched->first)) Advance(*run, touched->second);
    }
    if (!runs.TakeMayBeginQueued()) break;
    requests.BeginQueued();
  } while (true);
  runs.table().PutChanged(step);
  cluster.PutChanged();
  // Closed runs leave memory only after their last records were output.
  runs.RemoveClosed();
}

ControllerCore::ControllerCore(const Options& options, const Loaded& loaded, const Trust& trust,
                               Random& random)
    : parts_(std::make_unique<Parts>(options, loaded, trust, random)) {}
ControllerCore::~ControllerCore() = default;

Effects ControllerCore::Step(const Time& now, const Event& event) {
  Parts& parts = *parts_;
  parts.step.Begin(now);
  std::visit([&](const auto& one) { parts.Handle(one); }, event);
  while (const std::optional<Timer> due = parts.step.timers().PopDue(now.mono_ms)) {
    parts.HandleDeadline(*due);
  }
  parts.Settle();
  return parts.step.End();
}

std::int64_t ControllerCore::NextWake() const {
  return std::as_const(parts_->step).timers().next();
}

std::optional<RunStatus> ControllerCore::Status(const std::string& name) const {
  const Run* run = std::as_const(parts_->runs).table().Find(name);
  if (run == nullptr) return std::nullopt;
  RunStatus status{.record = run->record};
  for (const Task& task : run->tasks) {
    TaskStatus& one = status.tasks.emplace_back(task.progress);
    one.record = task.record;
    one.state = task.live;
    const bool is_with_agent = task.live >= TaskState::kAccepted && task.live <= TaskState::kSaving;
    const Agent* agent = parts_->cluster.Find(task.record.node);
    if (is_with_agent && agent != nullptr) one.last_received_ms = agent->record.last_seen_ms;
  }
  return status;
}

std::vector<std::string> ControllerCore::OpenRuns() const {
  std::vector<std::string> names;
  for (const auto& [name, run] : parts_->runs.table().all()) names.push_back(name);
  return names;
}

std::optional<AgentStatus> ControllerCore::AgentOf(const std::string& node) const {
  return parts_->cluster.Status(node);
}

std::vector<AgentStatus> ControllerCore::Agents() const {
  std::vector<AgentStatus> all;
  for (const auto& [node, agent] : parts_->cluster.agents()) all.push_back(*AgentOf(node));
  return all;
}

}  // namespace holdfast::controller
