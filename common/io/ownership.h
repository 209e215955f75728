// Owners of files that root creates for a service that runs as another user.
#pragma once

#include <string>

#include "common/base/result.h"
#include "common/io/atomic_file.h"

namespace holdfast {

Result<FileOwner> OwnerOfFile(const std::string& path);

// Gives the open file to the owner of `directory`, which contains it. Does nothing unless this
// process runs as root, root owns the file and another user owns the directory.
Result<void> InheritOwner(int fd, const std::string& path, const std::string& directory);

// Gives `path` and the files and directories in it, at most `depth` levels deep, to `owner` if root
// owns them. Follows no symlink and skips files with several names: the owner may have placed both.
// Does nothing unless this process runs as root, or if `path` does not exist.
Result<void> ChownRootFiles(const std::string& path, const FileOwner& owner, unsigned depth);

}  // namespace holdfast
