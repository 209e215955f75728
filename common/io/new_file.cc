#include "common/io/new_file.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "common/base/format.h"

namespace holdfast {
namespace {

constexpr unsigned kNamesMax = 10'000;

// False if the name `to` exists.
Result<bool> RenameToFree(const std::string& from, const std::string& to) {
  if (::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE) == 0) return true;
  if (errno == EEXIST) return false;
  if (errno != EINVAL && errno != ENOSYS) return Fail(ErrnoError(errno, "rename to " + Quote(to)));
  // Some file systems, such as NFS, do not support this: reserve the name by creating the file.
  Result<Fd> made = OpenFile(to, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
  if (!made) {
    if (made.error().code() == ErrorCode::kAlreadyExists) return false;
    return Fail(std::move(made).error());
  }
  if (::rename(from.c_str(), to.c_str()) == 0) return true;
  const int failure = errno;
  (void)::unlink(to.c_str());  // empty, and ours
  return Fail(ErrnoError(failure, "rename to " + Quote(to)));
}

}  // namespace

Result<NewFile> NewFile::Create(const std::string& directory, unsigned mode) {
  std::string path = directory + "/.holdfast-XXXXXX";
  Fd fd(::mkostemp(path.data(), O_CLOEXEC));
  if (!fd.is_open()) {
    const int failure = errno;
    Error error = ErrnoError(failure, "create a file in " + Quote(directory));
    if (failure != ENOENT && failure != ENOTDIR) return Fail(std::move(error));
    return Fail(std::move(error).WithHint("create the directory, or name another one"));
  }
  // It already has mode 0600, and file systems without modes refuse to set one.
  if (mode != 0600 && ::fchmod(fd.get(), mode) != 0) {
    const int failure = errno;
    (void)::unlink(path.c_str());
    return Fail(ErrnoError(failure, "set the mode of " + Quote(path)));
  }
  return NewFile(directory, std::move(path), std::move(fd));
}

NewFile::NewFile(NewFile&& other) noexcept
    : directory_(std::move(other.directory_)),
      path_(std::exchange(other.path_, {})),
      fd_(std::move(other.fd_)) {}

NewFile::~NewFile() {
  if (!path_.empty()) (void)::unlink(path_.c_str());
}

Result<void> NewFile::Write(ByteView bytes) { return WriteAll(fd_.get(), bytes, path_); }

Result<std::string> NewFile::Publish(const std::string& stem, const std::string& ending) {
  HF_TRY(SyncFile(fd_.get(), path_));
  fd_.Reset();
  for (unsigned i = 0; i < kNamesMax; ++i) {
    std::string name = directory_ + "/" + stem + (i == 0 ? "" : fmt::format("_{}", i)) + ending;
    HF_ASSIGN(const bool is_ours, RenameToFree(path_, name));
    if (!is_ours) continue;
    path_.clear();
    HF_TRY(SyncDirectory(directory_));
    return name;
  }
  return Fail(ErrorCode::kAlreadyExists,
              fmt::format("{} already has {} files {}", Quote(directory_), kNamesMax,
                          Quote(stem + "*" + ending)),
              "choose another directory");
}

}  // namespace holdfast
