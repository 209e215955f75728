// A restore into a cluster that runs.
#pragma once

#include <stop_token>

#include "agent/sources/kafka/restore.h"
#include "agent/sources/kafka/restore_request.h"
#include "agent/sources/source.h"

namespace holdfast::kafka {

// REQUIRES: request.cluster has brokers.
Result<SpecialRestore> RestoreToCluster(const RestoreSurroundings& surroundings,
                                        const RestoreRequest& request, const RestoreSpec& spec,
                                        Progress& progress, std::stop_token stop);

}  // namespace holdfast::kafka
