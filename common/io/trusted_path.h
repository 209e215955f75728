// Files and directories that only root and this process's user can change. A process with root's
// rights must not take orders, or paths to write to, from anything else.
#pragma once

#include <sys/stat.h>

#include <string>

#include "common/base/result.h"
#include "common/io/atomic_file.h"
#include "common/io/fd.h"

namespace holdfast {

// kDenied, naming `path`, unless it belongs to root or to this process's user, and neither group
// nor others may write to it. A directory with the sticky bit may be writable by others, because
// they cannot replace entries of another owner.
Result<void> CheckTrusted(const struct stat& status, const std::string& path);

// The user who decides what an absolute path refers to: the owner of the first component, from "/"
// down, that does not belong to root. Root if all components that exist belong to root. Follows
// symlinks that belong to root.
Result<FileOwner> OwnerOnTheWay(const std::string& path);

// Opens an absolute path for reading, without waiting for the writer of a FIFO. The file and its
// directory must be trusted and, if this process is root, also every directory above and every
// symlink in the path. kDenied names the first component that is not trusted. kNotFound if the path
// does not exist. kUnsupported for more than 40 symlinks.
Result<Fd> OpenTrustedFile(const std::string& path);
Result<Fd> OpenTrustedDirectory(const std::string& path);

// The same for an entry of an open trusted directory. kDenied if it is a symlink. Errors name
// `shown`.
Result<Fd> OpenTrustedFileAt(int directory, const std::string& name, const std::string& shown);
// Creates the directory if it is missing, with mode 0755 regardless of the umask.
Result<Fd> MakeTrustedDirectoryAt(int directory, const std::string& name, const std::string& shown);

}  // namespace holdfast
