#include "common/io/secret_file.h"

#include <sys/stat.h>
#include <sys/xattr.h>

#include <cerrno>

#include "common/base/format.h"

namespace holdfast {
namespace {

bool HasAccessList(const std::string& path) {
  return ::getxattr(path.c_str(), "system.posix_acl_access", nullptr, 0) > 0;
}

}  // namespace

Result<void> CheckSecretMode(const std::string& path, std::string_view what) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) return Fail(ErrnoError(errno, "open " + Quote(path)));
  if (!S_ISREG(status.st_mode)) return {};
  const unsigned forbidden = HasAccessList(path) ? 0007 : 0077;
  if ((status.st_mode & forbidden) == 0) return {};
  return Fail(ErrorCode::kDenied,
              fmt::format("{} {} is accessible to group or others (mode {:04o})", what, Quote(path),
                          status.st_mode & 07777U),
              fmt::format("chmod 600 {}", path));
}

}  // namespace holdfast
