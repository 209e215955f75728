// Restores onto the disks of a stopped broker (method "to-log-dirs"): the snapshot's files replace
// those that the broker made for new topics. When the broker starts, it serves the records as they
// were, with their offsets, timestamps and types.
//
// What the broker knows a partition by, partition.metadata, stays; indexes, and when who led, are
// made by the broker itself. Every replica has to be given its files before any broker is started.
#pragma once

#include <stop_token>

#include "agent/sources/kafka/restore_request.h"
#include "agent/sources/source.h"

namespace holdfast::kafka {

// All files are written, verified and durable beside those that are there before the first of these
// goes; a crash in between leaves what the same command finishes. REQUIRES: request.log_dirs.
Result<MethodOutcome> RestoreToLogDirs(const SourceContext& context, const RestoreRequest& request,
                                       const RestoreSpec& spec, Progress& progress,
                                       std::stop_token stop);

}  // namespace holdfast::kafka
