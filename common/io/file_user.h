// Lets root access files with the rights of another user.
#pragma once

#include <sys/types.h>

#include <optional>
#include <utility>
#include <vector>

#include "common/base/result.h"
#include "common/io/atomic_file.h"

namespace holdfast {

// While the object lives, this thread reads and creates files with the rights of `user`. A symlink
// that this user created then gives root no access that the user does not have. Does nothing unless
// this process is root and `user` is not. Objects may be nested, but only within one thread.
class FileUser {
 public:
  // kDenied without the right to do so (CAP_SETUID, CAP_SETGID).
  static Result<FileUser> Become(const FileOwner& user);
  FileUser(FileUser&& other) noexcept : former_(std::exchange(other.former_, {})) {}
  FileUser& operator=(FileUser&&) = delete;
  ~FileUser();

 private:
  struct Former {
    FileOwner owner;
    std::vector<gid_t> groups;  // supplementary
  };
  FileUser() = default;
  static void Restore(const Former& former);
  std::optional<Former> former_;
};

}  // namespace holdfast
