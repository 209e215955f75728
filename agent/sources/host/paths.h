// Paths of services, and what the file system has there.
#pragma once

#include <string>
#include <vector>

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

}  // namespace holdfast::host
