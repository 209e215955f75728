#include "agent/core/machine.h"

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>

#include "common/base/result.h"
#include "proto/holdfast/v1/agent.pb.h"

namespace holdfast::agent {

Machine::Machine(const Options& options, const Loaded& loaded, Trust& trust, Random& random)
    : step_{.options = options, .trust = trust, .random = random},
      identity_(loaded),
      plans_(loaded, step_),
      session_(step_, identity_, plans_),
      reports_(loaded, step_, identity_, session_),
      parts_(loaded, step_),
      progress_(step_, session_),
      tasks_(loaded, step_, plans_, reports_, parts_, progress_),
      jobs_(step_, identity_, session_, parts_, progress_, tasks_),
      orders_(step_, identity_, plans_, session_, reports_, parts_, tasks_) {}

Effects Machine::Step(const Time& now, const Event& event) {
  HF_CHECK(now.boot_ms >= step_.now.boot_ms || !is_started_);
  step_.now = now;
  std::visit([this](const auto& one) { Handle(one); }, event);
  while (std::optional<Timer> due = step_.deadlines.PopDue(now.boot_ms)) RunTimer(*due);
  jobs_.StartDue();
  progress_.Send(tasks_.all());
  identity_.PutIfChanged(step_);
  return std::exchange(step_.effects, {});
}

void Machine::Handle(const event::Started&) {
  HF_CHECK(!is_started_);
  is_started_ = true;
  session_.Start();
  reports_.Start();
  parts_.Start();
  orders_.Resume();
  session_.SayHello();
}

void Machine::Handle(const event::MessageReceived& event) {
  v1::ControllerMessage message;
  if (!message.ParseFromArray(event.message.data(), static_cast<int>(event.message.size()))) {
    step_.Warn("dropped a malformed message from the controller");
    return;
  }
  session_.ExtendLease();
  if (message.has_hello_answer()) {
    if (!session_.TakeHelloAnswer(message.hello_answer())) return;
    tasks_.MarkAllChanged();
    reports_.Resume(message.hello_answer().report_sequence());
    orders_.RetryParked();
  } else if (message.has_heartbeat_answer()) {
    session_.TakeHeartbeatAnswer(message.heartbeat_answer().say_hello());
  } else if (message.has_plans()) {
    for (const std::string& envelope : message.plans().envelopes()) orders_.Take(ToBytes(envelope));
  } else if (message.has_reports_taken()) {
    reports_.HandleTaken(message.reports_taken().report_sequence());
  }
}

void Machine::RunTimer(const Timer& timer) {
  const auto& [kind, name] = timer;
  switch (kind) {
    case TimerKind::kHello:
      session_.SayHello();
      break;
    case TimerKind::kHeartbeat:
      session_.Heartbeat();
      break;
    case TimerKind::kLease:
      session_.CheckLease();
      break;
    case TimerKind::kReports:
      reports_.HandleResendTimer();
      break;
    case TimerKind::kProgress:
      progress_.SetDue();
      break;
    case TimerKind::kCutWait:
      tasks_.CutAfterWait(name);
      break;
    case TimerKind::kStart:
      break;  // Jobs::StartDue() handles it
    case TimerKind::kExpire:
      orders_.Expire(ToBytes(name));
      break;
    case TimerKind::kForget:
      orders_.Forget(ToBytes(name));
      break;
    case TimerKind::kParked:
      orders_.RetryParked();
      break;
    case TimerKind::kHold:
      parts_.Hold();
      break;
    case TimerKind::kLanding:
      tasks_.CheckEnds(name);
      break;
    case TimerKind::kForgetReports:
      reports_.ForgetOld();
      break;
  }
}

std::vector<TaskStatus> Machine::Statuses() const {
  std::vector<TaskStatus> all;
  for (const auto& [key, task] : tasks_.all()) {
    all.push_back({key, task.run, task.source, task.state, task.progress.phase});
  }
  return all;
}

// --- AgentCore

AgentCore::AgentCore(const Options& options, const Loaded& loaded, Trust& trust, Random& random)
    : machine_(std::make_unique<Machine>(options, loaded, trust, random)) {}
AgentCore::~AgentCore() = default;
Effects AgentCore::Step(const Time& now, const Event& event) { return machine_->Step(now, event); }
std::int64_t AgentCore::NextWake() const { return machine_->NextWake(); }
std::vector<TaskStatus> AgentCore::Tasks() const { return machine_->Statuses(); }
bool AgentCore::is_connected() const { return machine_->is_connected(); }

}  // namespace holdfast::agent
