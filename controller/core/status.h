// What operators see of open runs and of agents: records, with what only memory has.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "controller/core/records.h"

namespace holdfast::controller {

// A task's current state, with values that only progress has.
struct TaskStatus {
  TaskRecord record;
  TaskState state = TaskState::kPlanned;
  std::string phase;
  std::uint64_t items = 0;
  std::uint64_t bytes = 0;
  std::uint64_t items_total = 0;
  std::uint64_t bytes_total = 0;
  std::uint64_t bytes_unchanged = 0;
  std::uint64_t bytes_per_s = 0;
  std::uint64_t seconds_left = 0;     // 0: unknown
  std::int64_t last_received_ms = 0;  // when its agent last sent a message, if it works on this
  std::int64_t cut_time_ms = 0;
  bool cut_alone = false;
};
struct RunStatus {
  RunRecord record;
  std::vector<TaskStatus> tasks;
};
struct AgentStatus {
  AgentRecord record;
  bool connected = false;
  bool conflict = false;               // two boots use its key
  std::vector<OrderKind> unsupported;  // orders that the agent does not support
  std::uint64_t refused_reports = 0;   // since the controller started
  std::string refused_reason;          // of the last one
  std::string boot_id;
  std::uint32_t tasks = 0;  // that it works on
};

}  // namespace holdfast::controller
