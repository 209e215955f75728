// Runs the agent as a process: loads identity, policy and journal, connects to the bus, and runs
// the core's loop.
//
// This room turns the decisions of agent/core into action: agent_loop.h passes events in and
// effects out, task_runner.h runs jobs in processes, restore_helper.h executes restores as root.
// What an agent accepts and when it runs is decided in agent/core.
#pragma once

#include <stop_token>
#include <vector>

#include "agent/settings/settings.h"
#include "agent/sources/source.h"
#include "common/base/clock.h"
#include "common/base/random.h"
#include "common/base/result.h"
#include "common/service/notify.h"

namespace holdfast::agent {

// Returns after a stop request. kNotFound if the node has not joined, kBusy if another agent uses
// this state directory. Notifies readiness once the journal is checked and plans can be executed,
// whether or not the controller can be reached.
Result<void> RunAgentDaemon(const AgentSettings& settings, const std::vector<SourceKind>& kinds,
                            const Notifier& notifier, const std::stop_token& stop, Random& random,
                            const Clock& clock);

}  // namespace holdfast::agent
