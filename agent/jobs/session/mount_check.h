// Checks whether the file systems of a source's paths and of repository directories are mounted.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/jobs/session/job_context.h"
#include "common/stream/manifest.h"

namespace holdfast::jobs {

struct ConfiguredPath {
  std::string option;  // that has the path, e.g. "paths"
  std::string path;    // absolute
};
// The absolute paths in all options of a source.
std::vector<ConfiguredPath> ConfiguredPaths(const JobContext& context,
                                            const SourceSettings& settings);

// Paths in a source's settings that should be on a file system listed in fstab or a mount unit, but
// it is not mounted. A backup would save the empty directory below it.
std::vector<Missing> UnmountedPaths(const JobContext& context, const SourceSettings& settings);
// Paths in a source's settings that are mount points of empty file systems.
std::vector<Missing> EmptyMountPoints(const JobContext& context, const SourceSettings& settings);

// kUnavailable if, by fstab or a mount unit, the directory of a repository's `url` ("file:/...")
// should be on a file system that is not mounted. nullopt for other URLs, and if it cannot be
// determined.
std::optional<Error> UnmountedRepository(const JobContext& context, std::string_view url);

// Adds `more` to `missing`, replacing entries with the same paths.
void AddMissing(std::vector<Missing> more, std::vector<Missing>& missing);

}  // namespace holdfast::jobs
