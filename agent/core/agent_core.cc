#include "agent/core/agent_core.h"

#include <optional>
#include <utility>
#include <variant>

#include "agent/core/identity_state.h"
#include "agent/core/jobs.h"
#include "agent/core/orders.h"
#include "agent/core/parts.h"
#include "agent/core/plans.h"
#include "agent/core/progress_sender.h"
#include "agent/core/reports.h"
#include "agent/core/session.h"
#include "agent/core/step_context.h"
#include "agent/core/tasks.h"
#include "common/base/result.h"
#include "proto/holdfast/v1/agent.pb.h"

namespace holdfast::agent {

struct AgentCore::State {
  State(const Options& options, const Loaded& loaded, Trust& trust, Random& random)
      : step{.options = options, .trust = trust, .random = random},
        identity(loaded),
        plans(loaded, step),
        session(step, identity, plans),
        reports(loaded, step, identity, session),
        parts(loaded, step),
        progress(step, session),
        tasks(loaded, step, plans, reports, parts, progress),
        jobs(step, identity, session, parts, progress, tasks),
        orders(step, identity, plans, session, reports, parts, tasks) {}

  void Handle(const event::Started& event);
  void Handle(const event::TimePassed&) {}
  void Handle(const event::Connected& event) { session.HandleConnected(event.is_former_key); }
  void Handle(const event::MessageReceived& event);
  void Handle(const event::ReportsLoaded& event) { reports.Handle(event); }
  void Handle(const event::PartsHeld& event) { parts.Handle(event); }
  void Handle(const auto& job_event) { jobs.Handle(job_event); }
  void RunTimer(const Timer& timer);

  StepContext step;
  bool is_started = false;
  IdentityState identity;
  Plans plans;
  Session session;
  Reports reports;
  Parts parts;
  ProgressSender progress;
  agent::Tasks tasks;  // qualified: AgentCore::Tasks() hides the type
  Jobs jobs;
  Orders orders;
};

void AgentCore::State::Handle(const event::Started&) {
  HF_CHECK(!is_started);
  is_started = true;
  session.Start();
  reports.Start();
  parts.Start();
  orders.Resume();
  session.SayHello();
}

void AgentCore::State::Handle(const event::MessageReceived& event) {
  v1::ControllerMessage message;
  if (!message.ParseFromArray(event.message.data(), static_cast<int>(event.message.size()))) {
    step.Warn("dropped a malformed message from the controller");
    return;
  }
  session.ExtendLease();
  if (message.has_hello_answer()) {
    if (!session.TakeHelloAnswer(message.hello_answer())) return;
    tasks.MarkAllChanged();
    reports.Resume(message.hello_answer().report_sequence());
    orders.RetryParked();
  } else if (message.has_heartbeat_answer()) {
    session.TakeHeartbeatAnswer(message.heartbeat_answer().say_hello());
  } else if (message.has_plans()) {
    for (const std::string& envelope : message.plans().envelopes()) orders.Take(ToBytes(envelope));
  } else if (message.has_reports_taken()) {
    reports.HandleTaken(message.reports_taken().report_sequence());
  }
}

void AgentCore::State::RunTimer(const Timer& timer) {
  const auto& [kind, name] = timer;
  switch (kind) {
    case TimerKind::kHello:
      session.SayHello();
      break;
    case TimerKind::kHeartbeat:
      session.Heartbeat();
      break;
    case TimerKind::kLease:
      session.CheckLease();
      break;
    case TimerKind::kReports:
      reports.HandleResendTimer();
      break;
    case TimerKind::kProgress:
      progress.SetDue();
      break;
    case TimerKind::kCutWait:
      tasks.CutAfterWait(name);
      break;
    case TimerKind::kStart:
      break;  // Jobs::StartDue() handles it
    case TimerKind::kExpire:
      orders.Expire(ToBytes(name));
      break;
    case TimerKind::kForget:
      orders.Forget(ToBytes(name));
      break;
    case TimerKind::kParked:
      orders.RetryParked();
      break;
    case TimerKind::kHold:
      parts.Hold();
      break;
    case TimerKind::kLanding:
      tasks.CheckEnds(name);
      break;
    case TimerKind::kForgetReports:
      reports.ForgetOld();
      break;
  }
}

AgentCore::AgentCore(const Options& options, const Loaded& loaded, Trust& trust, Random& random)
    : state_(std::make_unique<State>(options, loaded, trust, random)) {}

AgentCore::~AgentCore() = default;

Effects AgentCore::Step(const Time& now, const Event& event) {
  State& state = *state_;
  HF_CHECK(now.boot_ms >= state.step.now.boot_ms || !state.is_started);
  state.step.now = now;
  std::visit([&](const auto& one) { state.Handle(one); }, event);
  while (std::optional<Timer> due = state.step.deadlines.PopDue(now.boot_ms)) state.RunTimer(*due);
  state.jobs.StartDue();
  state.progress.Send(state.tasks.all());
  state.identity.PutIfChanged(state.step);
  return std::exchange(state.step.effects, {});
}

std::int64_t AgentCore::NextWake() const { return state_->step.deadlines.next(); }

std::vector<TaskStatus> AgentCore::Tasks() const {
  std::vector<TaskStatus> all;
  for (const auto& [key, task] : state_->tasks.all()) {
    all.push_back({key, task.run, task.source, task.state, task.progress.phase});
  }
  return all;
}

bool AgentCore::is_connected() const { return state_->session.is_answered(); }

}  // namespace holdfast::agent
