// The agent as one process: identity, policy, journal, bus -> the core's loop, until a stop.
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

// Returns when stopped. kNotFound before the node has joined, kBusy where another agent runs on
// this state directory. `notifier` hears that it is ready when the journal was looked at and the
// agent could obey; whether the controller can be reached is no condition.
Result<void> RunAgentDaemon(const Settings& settings, const std::vector<SourceKind>& kinds,
                            const Notifier& notifier, const std::stop_token& stop, Random& random,
                            const Clock& clock);

}  // namespace holdfast::agent
