// The controller's records as operators see them (proto/holdfast/v1/admin.proto). Pure.
#pragma once

#include <string>
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
// Of a run that the core still works on, and of one that only the catalog knows: kTasksShownMax of
// them, those first that are not over or did not go well.
void FillTasks(std::vector<TaskStatus> tasks, v1::RunView& view);
void FillSnapshot(const SnapshotRecord& record, v1::SnapshotView& view);
void FillDraft(const DraftRecord& record, v1::DraftView& view);

// A task as its record alone tells it.
TaskStatus StatusOf(TaskRecord record);

}  // namespace holdfast::controller
