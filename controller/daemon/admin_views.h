// Converts the controller's records to what operators see (proto/holdfast/v1/admin.proto). Pure.
#pragma once

#include <vector>

#include "common/base/result.h"
#include "controller/core/controller_core.h"
#include "controller/core/records.h"
#include "proto/holdfast/v1/admin.pb.h"

namespace holdfast::controller {

inline constexpr std::size_t kTasksShownMax = 2'000;

void FillError(const Error& error, v1::AdminError& view);
void FillAgent(const AgentStatus& status, v1::AgentView& view);
// Without tasks.
void FillRun(const RunRecord& record, v1::RunView& view);
// Sorts tasks for a reply that does not hold all of them: first the unsuccessful ones, then the
// unfinished ones.
void SortByNeed(std::vector<TaskStatus>& tasks);
// At most kTasksShownMax tasks, by need, and their reports while both fit into one reply. The view
// says what was left out.
void FillTasks(std::vector<TaskStatus> tasks, std::int64_t now_ms, v1::RunView& view);
// One page: these tasks with their reports, until the page is full. Returns how many it took, at
// least one if there are any.
std::size_t FillTaskPage(const std::vector<TaskStatus>& tasks, std::int64_t now_ms,
                         v1::RunView& view);
void FillSnapshot(const SnapshotRecord& record, v1::SnapshotView& view);
void FillDraft(const DraftRecord& record, v1::DraftView& view);

// The status of a task, from its record alone.
TaskStatus StatusOf(TaskRecord record);

}  // namespace holdfast::controller
