// Paths of this host, as services are told them.
#pragma once

#include <string>

namespace holdfast::host {

// Symlinks are followed.
bool IsRegularFile(const std::string& path);
std::string WithoutSlashes(std::string path);  // at the end
// `path` as meant by who runs in `directory`.
std::string AbsoluteIn(const std::string& directory, const std::string& path);

}  // namespace holdfast::host
