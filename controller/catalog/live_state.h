// Reads what is not over yet, and records that are stored in several tables. For this room only.
#pragma once

#include <vector>

#include "common/database/database.h"
#include "controller/core/records.h"

namespace holdfast::controller {

Result<Loaded> LoadLiveState(Database& connection);
// Reads all tasks that a statement of SelectText<TaskRow>() returns.
Result<std::vector<TaskRecord>> ReadTasks(Statement statement);

// Adds sources, repositories and health to agents that were read from the agent table.
Result<void> CompleteAgents(Database& connection, std::vector<AgentRecord>& agents);
// Adds approvals to drafts that were read from the draft table.
Result<void> CompleteDrafts(Database& connection, std::vector<DraftRecord>& drafts);

}  // namespace holdfast::controller
