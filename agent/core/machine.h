// The implementation of AgentCore: passes each event and each due timer to the class that handles
// it. A class knows only the ones before it, in this order: StepContext, IdentityState, Plans,
// Session, Reports, Parts, ProgressSender, Tasks, then Jobs and Orders.
#pragma once

#include <cstdint>
#include <vector>

#include "agent/core/agent_core.h"
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

namespace holdfast::agent {

class Machine {
 public:
  Machine(const Options& options, const Loaded& loaded, Trust& trust, Random& random);
  Machine(const Machine&) = delete;
  Machine& operator=(const Machine&) = delete;

  Effects Step(const Time& now, const Event& event);
  std::int64_t NextWake() const { return step_.deadlines.next(); }
  std::vector<TaskStatus> Statuses() const;
  bool is_connected() const { return session_.is_answered(); }

 private:
  void Handle(const event::Started& event);
  void Handle(const event::TimePassed&) {}
  void Handle(const event::Connected&) { session_.RestartHello(); }
  void Handle(const event::MessageReceived& event);
  void Handle(const event::ReportsLoaded& event) { reports_.Handle(event); }
  void Handle(const event::PartsHeld& event) { parts_.Handle(event); }
  void Handle(const auto& job_event) { jobs_.Handle(job_event); }
  void RunTimer(const Timer& timer);

  StepContext step_;
  bool is_started_ = false;
  IdentityState identity_;
  Plans plans_;
  Session session_;
  Reports reports_;
  Parts parts_;
  ProgressSender progress_;
  Tasks tasks_;
  Jobs jobs_;
  Orders orders_;
};

}  // namespace holdfast::agent
