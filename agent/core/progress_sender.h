// Sends the progress of tasks. Knows StepContext, Session and Task.
#pragma once

#include <cstdint>
#include <map>
#include <set>

#include "agent/core/events.h"
#include "agent/core/session.h"
#include "agent/core/step_context.h"
#include "agent/core/task.h"

namespace holdfast::agent {

class ProgressSender {
 public:
  ProgressSender(StepContext& step, Session& session) : step_(step), session_(session) {}

  void MarkChanged(const TaskKey& key) { changed_.insert(key); }
  void SetDue() { is_due_ = true; }
  void Remove(const TaskKey& key) { changed_.erase(key); }
  // Sends changes at once if they are due, otherwise once a second.
  void Send(const std::map<TaskKey, Task>& tasks);

 private:
  StepContext& step_;
  Session& session_;
  std::set<TaskKey> changed_;  // since the last message
  bool is_due_ = false;
  std::int64_t sent_at_ms_ = -1'000;  // boot
};

}  // namespace holdfast::agent
