#include "agent/core/progress_sender.h"

#include <algorithm>
#include <string>

#include "agent/core/progress_message.h"
#include "proto/holdfast/v1/agent.pb.h"

namespace holdfast::agent {
namespace {

constexpr std::int64_t kEveryMs = 1'000;

}  // namespace

void ProgressSender::Send(const std::map<TaskKey, Task>& tasks) {
  if (!session_.is_answered()) return;
  const bool is_waiting = std::ranges::any_of(
      tasks, [](const auto& one) { return one.second.phase == Phase::kPrepared; });
  if (changed_.empty() && !is_waiting) return;
  const std::int64_t next_ms = sent_at_ms_ + kEveryMs;
  if (!is_due_ && step_.now.boot_ms < next_ms) {
    step_.deadlines.SetSooner({TimerKind::kProgress, ""}, next_ms);
    return;
  }
  v1::AgentMessage message;
  for (const auto& [key, task] : tasks) {
    // A task that waits for the cut repeats its state, because the other nodes wait for it.
    if (!changed_.contains(key) && task.phase != Phase::kPrepared) continue;
    v1::TaskProgress& one = *message.mutable_progress()->add_tasks();
    one.set_plan_id(std::string(AsText(key.plan_id)));
    one.set_task(key.task);
    one.set_state(static_cast<v1::TaskState>(task.state));
    SetProgress(task.progress, one);
    one.set_bytes_per_s(static_cast<std::uint64_t>(task.rate.bytes_per_second()));
    if (const auto left = task.rate.SecondsLeft(task.progress.bytes_total)) {
      // 0 means unknown.
      one.set_seconds_left(std::max<std::uint64_t>(1, static_cast<std::uint64_t>(*left + 0.5)));
    }
    one.set_cut_time_ms(task.cut_time_ms);
    one.set_cut_alone(task.is_cut_alone);
  }
  changed_.clear();
  is_due_ = false;
  sent_at_ms_ = step_.now.boot_ms;
  step_.CancelTimer(TimerKind::kProgress);
  if (is_waiting) step_.SetTimer(TimerKind::kProgress, kEveryMs);
  if (message.progress().tasks_size() > 0) session_.Send(message);
}

}  // namespace holdfast::agent
