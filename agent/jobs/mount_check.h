// The paths in a source's settings, and the repositories' directories: whether their file systems
// are mounted.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/jobs/job_context.h"
#include "common/stream/manifest.h"

namespace holdfast::jobs {

struct ConfiguredPath {
  std::string option;  // that names it, e.g. "paths"
  std::string path;    // absolute
};
// The absolute paths in the settings of a source, of whichever option.
std::vector<ConfiguredPath> ConfiguredPaths(const JobContext& context,
                                            const SourceSettings& settings);

// Paths in the settings of a source that should lie on a file system, by fstab or a mount unit,
// which is not mounted: a backup would save the empty directory below it.
std::vector<Missing> UnmountedPaths(const JobContext& context, const SourceSettings& settings);
// Paths that are mount points with nothing in them.
std::vector<Missing> EmptyMountPoints(const JobContext& context, const SourceSettings& settings);

// kUnavailable if fstab or a mount unit puts the directory of a repository's `url` ("file:/...") on
// a file system that is not mounted. nullopt for other URLs, and where nothing can be known.
std::optional<Error> UnmountedRepository(const JobContext& context, std::string_view url);

// Adds to `missing`, instead of what it says of the same paths.
void AddMissing(std::vector<Missing> more, std::vector<Missing>& missing);

}  // namespace holdfast::jobs
