// Fills protocol messages with a task's progress.
#pragma once

#include "agent/core/events.h"
#include "proto/holdfast/v1/agent.pb.h"

namespace holdfast::agent {

// Sets the phase and the counts of `message`. Leaves the other fields unchanged.
void SetProgress(const event::TaskProgress& progress, v1::TaskProgress& message);

}  // namespace holdfast::agent
