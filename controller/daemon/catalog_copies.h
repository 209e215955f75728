// Copies of the catalog: operators may save and compare them only in one directory.
#pragma once

#include <string>
#include <string_view>

#include "common/base/result.h"

namespace holdfast::controller {

// The path of a copy in `directory`. `name` is a file name, or the absolute path of a file directly
// in `directory`. kInvalidArgument for any other name.
Result<std::string> CopyPath(const std::string& directory, std::string_view name);

// Creates `directory`, mode 0700, if it does not exist. kDenied if it is a symlink, or if a user
// other than root and this process's user can change it: that user could replace files in it.
Result<void> PrepareCopies(const std::string& directory);

// kDenied unless `path` is a regular file, and not a symlink.
Result<void> CheckCopyFile(const std::string& path);

}  // namespace holdfast::controller
