// Reads what is not over yet, and whole records that lie in several tables; for this room only.
#pragma once

#include <string>
#include <vector>

#include "common/database/connection.h"
#include "controller/core/records.h"

namespace holdfast::controller {

Result<Loaded> LoadLiveState(Connection& connection);

// Adds sources, repositories and health to agents that were read from their own table.
Result<void> CompleteAgents(Connection& connection, std::vector<AgentRecord>& agents);
// Likewise approvals.
Result<void> CompleteDrafts(Connection& connection, std::vector<DraftRecord>& drafts);

}  // namespace holdfast::controller
