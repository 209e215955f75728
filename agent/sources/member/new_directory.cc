#include "agent/sources/member/new_directory.h"

#include <sys/stat.h>

#include <cerrno>
#include <filesystem>
#include <system_error>

#include "common/base/format.h"

namespace holdfast {

Result<void> CheckNewDirectory(const std::string& directory, const std::string& hint) {
  struct stat status {};
  if (::lstat(directory.c_str(), &status) != 0) {
    if (errno == ENOENT) return {};
    return Fail(ErrnoError(errno, "read the attributes of " + Quote(directory)));
  }
  if (!S_ISDIR(status.st_mode))
    return Fail(ErrorCode::kAlreadyExists, fmt::format("{} is not a directory", Quote(directory)),
                "name a directory that does not exist yet, or an empty one");
  std::error_code error;
  const bool is_empty = std::filesystem::is_empty(directory, error);
  if (error) return Fail(ErrnoError(error.value(), "look into " + Quote(directory)));
  if (is_empty) return {};
  return Fail(ErrorCode::kAlreadyExists, fmt::format("{} is not empty", Quote(directory)), hint);
}

}  // namespace holdfast
