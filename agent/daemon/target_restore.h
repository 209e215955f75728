// A restore to a target of the node's policy: an order that passed the checks as options of the
// job.
#pragma once

#include "agent/jobs/restore_job.h"
#include "agent/settings/policy.h"

namespace holdfast::v1 {
class RestoreOrder;
}

namespace holdfast::agent {

// REQUIRES: order.has_named(), and `target` is the policy's of that name.
jobs::RestoreOptions TargetRestoreOptions(const v1::RestoreOrder& order,
                                          const RestoreTargetSettings& target);

}  // namespace holdfast::agent
