// Converts an order to restore into options of the restore job.
#pragma once

#include "agent/jobs/restore/restore_job.h"
#include "agent/settings/policy.h"

namespace holdfast::v1 {
class Plan;
}

namespace holdfast::agent {

// Options that select the ordered snapshot; the caller sets the mode and the destination. REQUIRES:
// the plan passed the checks and has an order to restore.
jobs::RestoreOptions OptionsOfOrder(const v1::Plan& plan);

// The same for a target of the node's policy. REQUIRES: the order has a named target, which is
// `target`.
jobs::RestoreOptions TargetRestoreOptions(const v1::Plan& plan,
                                          const RestoreTargetSettings& target);

}  // namespace holdfast::agent
