// Backs up files by walking the configured paths.
#pragma once

#include <memory>
#include <stop_token>

#include "agent/sources/files/settings.h"
#include "agent/sources/source.h"
#include "common/filetree/walker.h"

namespace holdfast::files {

// Options of the walk: the configured paths below "data", reusing unchanged files of `previous`.
filetree::WalkOptions MakeWalkOptions(const Settings& settings, SnapshotView* previous);

// Everything referred to outlives the session.
std::unique_ptr<BackupSession> OpenBackupSession(const SourceContext& context,
                                                 const Settings& settings, const BackupSpec& spec);

// Examines the paths, up to a bounded number of items.
Result<SourceInfo> ProbeFiles(const Settings& settings, std::stop_token stop);

}  // namespace holdfast::files
