// Restores to the disks of a stopped broker (method "to-log-dirs"): the snapshot's files replace
// the files of newly created topics. After its start, the broker serves the records with their
// original offsets, timestamps and timestamp types.
//
// Keeps partition.metadata, by which the broker recognises a partition. The broker rebuilds indexes
// and leader epochs itself. All replicas must get their files before any broker is started.
#pragma once

#include <stop_token>

#include "agent/sources/kafka/restore_request.h"
#include "agent/sources/source.h"

namespace holdfast::kafka {

// All new files are written, verified and synced before the first old file is deleted. After a
// crash in between, the same command completes the restore. REQUIRES: request.log_dirs.
Result<MethodOutcome> RestoreToLogDirs(const SourceContext& context, const RestoreRequest& request,
                                       const RestoreSpec& spec, Progress& progress,
                                       std::stop_token stop);

}  // namespace holdfast::kafka
