// Paths of services, and what the file system has there.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"

namespace holdfast::host {

// Both follow symlinks.
bool Exists(const std::string& path);
bool IsRegularFile(const std::string& path);
// Whether there is anything with this name, even a dangling symlink.
bool HasEntry(const std::string& path);
// `path` for a process that runs in `directory`.
std::string AbsoluteIn(const std::string& directory, const std::string& path);
// Sorts the paths and removes repeated ones.
void SortPaths(std::vector<std::string>& paths);

// kNoSpace, with `hint`, if the file system of `directory` has less than `needed` bytes left for
// `what`, e.g. "the restore".
Result<void> CheckFreeSpace(const std::string& directory, std::uint64_t needed,
                            std::string_view what, std::string hint = "");

}  // namespace holdfast::host
