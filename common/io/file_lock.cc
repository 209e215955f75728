#include "common/io/file_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>

#include "common/base/format.h"
#include "common/io/ownership.h"

namespace holdfast {
namespace {

std::string HolderOf(int fd) {
  std::string holder(256, '\0');
  ssize_t count = pread(fd, holder.data(), holder.size(), 0);
  holder.resize(count > 0 ? static_cast<std::size_t>(count) : 0);
  holder.resize(std::min(holder.size(), holder.find('\n')));
  return holder.empty() ? "another process" : holder;
}

// If root creates the directory, it gets the owner of its parent.
Result<void> MakeLockDirectory(const std::string& directory) {
  HF_TRY(MakeDirectories(directory, 0755));
  const std::size_t slash = directory.rfind('/');
  if (slash == std::string::npos || slash == 0) return {};
  Result<FileOwner> owner = OwnerOfFile(directory.substr(0, slash));
  if (!owner) return Fail(std::move(owner).error());
  return ChownRootFiles(directory, *owner, 0);
}

}  // namespace

Result<FileLock> FileLock::Acquire(const std::string& path, const std::string& holder) {
  std::size_t slash = path.rfind('/');
  const std::string directory =
      slash != std::string::npos && slash > 0 ? path.substr(0, slash) : "";
  if (!directory.empty()) HF_TRY(MakeLockDirectory(directory));
  HF_ASSIGN(Fd fd, OpenFile(path, O_RDWR | O_CREAT | O_NOFOLLOW, 0644));
  // The service must be able to take the lock after root, even if root's process is killed.
  if (!directory.empty()) HF_TRY(InheritOwner(fd.get(), path, directory));
  if (flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return Fail(ErrnoError(errno, "lock " + Quote(path)));
    return Fail(ErrorCode::kBusy, fmt::format("held by {}", HolderOf(fd.get())),
                "wait until it is done, or stop it");
  }
  // The text is only for users: the kernel holds the lock and releases it with the process.
  if (ftruncate(fd.get(), 0) != 0) return Fail(ErrnoError(errno, "write " + Quote(path)));
  HF_TRY(WriteAll(fd.get(), AsBytes(holder + "\n"), path));
  return FileLock(std::move(fd));
}

Result<bool> FileLock::IsHeld(const std::string& path) {
  HF_ASSIGN(const Fd fd, OpenFile(path, O_RDONLY | O_NOFOLLOW));
  if (flock(fd.get(), LOCK_SH | LOCK_NB) == 0) return false;
  if (errno == EWOULDBLOCK) return true;
  return Fail(ErrnoError(errno, "lock " + Quote(path)));
}

}  // namespace holdfast
