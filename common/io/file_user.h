// Root as another user, for access to files only.
#pragma once

#include <optional>
#include <string>
#include <utility>

#include "common/base/result.h"
#include "common/io/atomic_file.h"

namespace holdfast {

// While the object lives, this thread reads and creates files with the rights of `user`, so a
// symlink that this user has placed leads nowhere that the user may not go. Does nothing unless
// this process is root and `user` is not. Objects may be nested, each within one thread.
class FileUser {
 public:
  // kDenied without the right to do so (CAP_SETUID, CAP_SETGID).
  static Result<FileUser> Become(const FileOwner& user);
  FileUser(FileUser&& other) noexcept : former_(std::exchange(other.former_, {})) {}
  FileUser& operator=(FileUser&&) = delete;
  ~FileUser();

 private:
  FileUser() = default;
  std::optional<FileOwner> former_;
};

}  // namespace holdfast
