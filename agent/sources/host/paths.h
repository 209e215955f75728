// Helpers for paths of services: existence checks, absolute paths, free space.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"

namespace holdfast::host {

// Exists(), IsRegularFile() and IsSameFile() follow symlinks.
bool Exists(const std::string& path);
bool IsRegularFile(const std::string& path);
// Whether both paths are the same existing file or directory.
bool IsSameFile(const std::string& one, const std::string& other);
// Whether a directory entry with this name exists. Does not follow symlinks.
bool HasEntry(const std::string& path);
// `path` for a process that runs in `directory`.
std::string AbsoluteIn(const std::string& directory, const std::string& path);
// Resolves symlinks as far as the path exists.
std::string CanonicalPath(const std::string& path);
// Sorts the paths and removes duplicates.
void SortPaths(std::vector<std::string>& paths);

// kNoSpace, with `hint`, if the file system of `directory` has less than `needed` bytes left for
// `what`, e.g. "the restore".
Result<void> CheckFreeSpace(const std::string& directory, std::uint64_t needed,
                            std::string_view what, std::string hint = "");

}  // namespace holdfast::host
