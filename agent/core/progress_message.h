// Progress of a task as protocol messages carry it.
#pragma once

#include "agent/core/events.h"
#include "proto/holdfast/v1/agent.pb.h"

namespace holdfast::agent {

// Sets the phase and the counts of `message`. Its other fields, such as the plan, the state and the
// rate, stay as they are: the job does not know them.
void SetProgress(const event::TaskProgress& progress, v1::TaskProgress& message);

}  // namespace holdfast::agent
