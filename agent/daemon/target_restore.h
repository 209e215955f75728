// Converts an order to restore to a target of the node's policy into options of the restore job.
#pragma once

#include "agent/jobs/restore/restore_job.h"
#include "agent/settings/policy.h"

namespace holdfast::v1 {
class RestoreOrder;
}

namespace holdfast::agent {

// REQUIRES: order.has_named(), and `target` is the policy's target of that name. The order passed
// the checks.
jobs::RestoreOptions TargetRestoreOptions(const v1::RestoreOrder& order,
                                          const RestoreTargetSettings& target);

}  // namespace holdfast::agent
