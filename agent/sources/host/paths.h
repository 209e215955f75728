// Helpers for paths in the options of services.
#pragma once

#include <string>

namespace holdfast::host {

// Symlinks are followed.
bool IsRegularFile(const std::string& path);
// `path` for a process that runs in `directory`.
std::string AbsoluteIn(const std::string& directory, const std::string& path);

}  // namespace holdfast::host
