// What is mounted where.
#pragma once

#include <string>
#include <vector>

#include "common/base/result.h"

namespace holdfast::filetree {

// Mount points of this process's name space (proc(5), mountinfo): absolute, as the kernel names
// them.
Result<std::vector<std::string>> MountPoints();

// Those that are `path` or lie below it. `path` is absolute and real, without a trailing slash.
Result<std::vector<std::string>> MountPointsBelow(const std::string& path);

}  // namespace holdfast::filetree
