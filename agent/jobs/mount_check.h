// What of a source's paths is not there because no file system is mounted, or an empty one.
#pragma once

#include <vector>

#include "agent/jobs/job_context.h"
#include "common/stream/manifest.h"

namespace holdfast::jobs {

// Paths in the settings of a source that should lie on a file system, by fstab or a mount unit,
// which is not mounted: a backup would save the empty directory below it.
std::vector<Missing> UnmountedPaths(const JobContext& context, const SourceSettings& settings);
// Paths that are mount points with nothing in them.
std::vector<Missing> EmptyMountPoints(const JobContext& context, const SourceSettings& settings);

// Adds to `missing`, instead of what it says of the same paths.
void AddMissing(std::vector<Missing> more, std::vector<Missing>& missing);

}  // namespace holdfast::jobs
