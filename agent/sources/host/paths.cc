#include "agent/sources/host/paths.h"

#include <sys/stat.h>
#include <sys/statvfs.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <utility>

#include "common/base/format.h"

namespace holdfast::host {

bool Exists(const std::string& path) {
  struct stat status {};
  return ::stat(path.c_str(), &status) == 0;
}

bool HasEntry(const std::string& path) {
  struct stat status {};
  return ::lstat(path.c_str(), &status) == 0;
}

bool IsRegularFile(const std::string& path) {
  struct stat status {};
  return ::stat(path.c_str(), &status) == 0 && S_ISREG(status.st_mode);
}

bool IsSameFile(const std::string& one, const std::string& other) {
  struct stat a {};
  struct stat b {};
  return ::stat(one.c_str(), &a) == 0 && ::stat(other.c_str(), &b) == 0 && a.st_dev == b.st_dev &&
         a.st_ino == b.st_ino;
}

std::string AbsoluteIn(const std::string& directory, const std::string& path) {
  return path.starts_with('/') ? path : directory + "/" + path;
}

std::string CanonicalPath(const std::string& path) {
  std::error_code failure;
  const std::filesystem::path real = std::filesystem::weakly_canonical(path, failure);
  return failure ? path : real.string();
}

void SortPaths(std::vector<std::string>& paths) {
  std::ranges::sort(paths);
  paths.erase(std::ranges::unique(paths).begin(), paths.end());
}

Result<void> CheckFreeSpace(const std::string& directory, std::uint64_t needed,
                            std::string_view what, std::string hint) {
  struct statvfs space {};
  if (::statvfs(directory.c_str(), &space) != 0)
    return Fail(ErrnoError(errno, "read the attributes of " + Quote(directory)));
  const std::uint64_t free_bytes = std::uint64_t{space.f_bavail} * space.f_frsize;
  if (free_bytes >= needed) return {};
  return Fail(ErrorCode::kNoSpace,
              fmt::format("{} has {} free, but {} needs {}", Quote(directory),
                          FormatBytes(free_bytes), what, FormatBytes(needed)),
              std::move(hint));
}

}  // namespace holdfast::host
