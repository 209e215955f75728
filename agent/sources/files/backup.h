// Saving files: a walk over the configured paths.
#pragma once

#include <memory>
#include <stop_token>

#include "agent/sources/files/settings.h"
#include "agent/sources/source.h"
#include "common/filetree/walker.h"

namespace holdfast::files {

// What the walker is told: the configured paths below "data", unchanged files of `previous` reused.
filetree::WalkOptions MakeWalkOptions(const Settings& settings, SnapshotView* previous);

// Everything referred to outlives the session.
std::unique_ptr<BackupSession> OpenBackupSession(const SourceContext& context,
                                                 const Settings& settings, const BackupSpec& spec);

// Looks at the paths, at no more than a bounded number of items.
Result<SourceInfo> ProbeFiles(const Settings& settings, std::stop_token stop);

}  // namespace holdfast::files
