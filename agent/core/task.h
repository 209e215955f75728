// A task that has not ended. Knows only Plan.
#pragma once

#include <cstdint>
#include <string>

#include "agent/core/events.h"
#include "agent/core/plans.h"
#include "agent/core/records.h"
#include "common/base/progress_rate.h"

namespace holdfast::v1 {
class Report;
}  // namespace holdfast::v1

namespace holdfast::agent {

enum class Phase : std::uint8_t {
  kWaiting,  // for the source, the parts' locks or a free slot
  kPreparing,
  kPrepared,  // waits for the cut
  kCutting,
  kCut,  // waits for its start time and a free slot
  kSaving,
  kComposing,  // seals the snapshot
  kWriting,    // writes the snapshot
  kRunning,    // a job with a single phase
};

struct Task {
  TaskKey key;
  Plan* plan = nullptr;  // owned by Plans, which forgets no plan that has tasks
  OrderKind kind = OrderKind::kBackup;
  std::string run;
  std::string source;
  std::string repository;
  BackupScope scope = BackupScope::kWhole;  // only for backups
  std::uint32_t round = 0;
  std::uint32_t start_after_ms = 0;
  std::string host;
  TaskState state = TaskState::kAccepted;
  Phase phase = Phase::kWaiting;
  bool is_stopping = false;
  std::string stop_reason;  // code of the failure to report: "cancelled" or "timed_out"
  bool is_cut_on_order = false;
  bool is_cut_alone = false;
  std::int64_t cut_time_ms = 0;
  std::int64_t start_at_ms = 0;     // boot
  std::int64_t write_until_ms = 0;  // boot
  bool is_resumed = false;
  event::TaskProgress progress;
  ProgressRate rate;
};

bool IsRestore(const Task& task);
// The name of the task's timers.
std::string TimerName(const TaskKey& key);
// A report of the task without an outcome.
v1::Report ReportOf(const Task& task);

}  // namespace holdfast::agent
