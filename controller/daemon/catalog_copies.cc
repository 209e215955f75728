#include "controller/daemon/catalog_copies.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "common/base/format.h"
#include "common/io/fd.h"

namespace holdfast::controller {
namespace {

constexpr std::size_t kNameBytesMax = 200;  // copies have longer names until they are complete

bool IsFileName(std::string_view name) {
  return !name.empty() && name.size() <= kNameBytesMax && !name.starts_with('.') &&
         name.find_first_of(std::string_view("/\0", 2)) == std::string_view::npos;
}

}  // namespace

Result<std::string> CopyPath(const std::string& directory, std::string_view name) {
  std::string_view file = name;
  if (file.starts_with(directory + "/")) file.remove_prefix(directory.size() + 1);
  if (IsFileName(file)) return fmt::format("{}/{}", directory, file);
  return Fail(ErrorCode::kInvalidArgument,
              fmt::format("copy {} of the catalog; expected a file name, for a file in {}",
                          Quote(name), Quote(directory)),
              "\"catalog_dir\" below \"admin\" in controller.yaml names this directory");
}

Result<void> PrepareCopies(const std::string& directory) {
  HF_TRY(MakeDirectories(directory, 0700));
  HF_ASSIGN(const Fd opened, OpenFile(directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
  struct stat status {};
  if (::fstat(opened.get(), &status) != 0) {
    return Fail(ErrnoError(errno, "read the attributes of " + Quote(directory)));
  }
  const bool is_ours = status.st_uid == 0 || status.st_uid == ::geteuid();
  if (is_ours && (status.st_mode & (S_IWGRP | S_IWOTH)) == 0) return {};
  return Fail(
      ErrorCode::kDenied,
      fmt::format("other users can change the directory {}, so it must not hold copies of the "
                  "catalog",
                  Quote(directory)),
      fmt::format("on the controller's host: chown holdfast-controller: {0} && chmod 700 {0}",
                  directory));
}

Result<void> CheckCopyFile(const std::string& path) {
  struct stat status {};
  if (::lstat(path.c_str(), &status) != 0) {
    return Fail(ErrnoError(errno, "read the attributes of " + Quote(path)));
  }
  if (S_ISREG(status.st_mode)) return {};
  return Fail(ErrorCode::kDenied, fmt::format("{} is not a regular file", Quote(path)),
              "name a copy that `holdfast catalog backup` made");
}

}  // namespace holdfast::controller
