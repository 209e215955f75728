// Runs tasks as jobs: when each starts, and what follows from its result. Knows StepContext,
// IdentityState, Session, Parts, ProgressSender and Tasks.
#pragma once

#include <cstdint>
#include <set>
#include <string>

#include "agent/core/events.h"
#include "agent/core/identity_state.h"
#include "agent/core/parts.h"
#include "agent/core/progress_sender.h"
#include "agent/core/session.h"
#include "agent/core/step_context.h"
#include "agent/core/tasks.h"

namespace holdfast::v1 {
class Plan;
}  // namespace holdfast::v1

namespace holdfast::agent {

class Jobs {
 public:
  Jobs(StepContext& step, const IdentityState& identity, Session& session, Parts& parts,
       ProgressSender& progress, Tasks& tasks);

  // Starts everything that is due and has what it needs. Call it once at the end of each step.
  void StartDue();

  void Handle(const event::TaskPrepared& event);
  void Handle(const event::TaskCut& event);
  void Handle(const event::TaskProgress& event);
  void Handle(const event::TaskSaved& event);
  void Handle(const event::SnapshotSealed& event);
  void Handle(const event::TaskComposed& event);
  void Handle(const event::TaskDone& event);
  void Handle(const event::TaskFailed& event);

 private:
  void StartSaving();
  void Start(Task& task);
  void StartPreparing(Task& task, const v1::Plan& message);
  void StartOther(Task& task, const v1::Plan& message);
  void StartComposing(Task& task, const v1::Plan& message);

  StepContext& step_;
  const IdentityState& identity_;
  Session& session_;
  Parts& parts_;
  ProgressSender& progress_;
  Tasks& tasks_;
  std::set<std::string> open_sources_;  // used by a task
  std::uint32_t saving_ = 0;
  std::uint32_t other_jobs_ = 0;
};

}  // namespace holdfast::agent
