#include "common/io/file_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>

#include "common/base/format.h"

namespace holdfast {
namespace {

std::string HolderOf(int fd) {
  std::string holder(256, '\0');
  ssize_t count = pread(fd, holder.data(), holder.size(), 0);
  holder.resize(count > 0 ? static_cast<std::size_t>(count) : 0);
  holder.resize(std::min(holder.size(), holder.find('\n')));
  return holder.empty() ? "another process" : holder;
}

}  // namespace

Result<FileLock> FileLock::Acquire(const std::string& path, const std::string& holder) {
  std::size_t slash = path.rfind('/');
  if (slash != std::string::npos && slash > 0) HF_TRY(MakeDirectories(path.substr(0, slash), 0755));
  HF_ASSIGN(Fd fd, OpenFile(path, O_RDWR | O_CREAT | O_NOFOLLOW, 0644));
  if (flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return Fail(ErrnoError(errno, "lock " + Quote(path)));
    return Fail(ErrorCode::kBusy, fmt::format("held by {}", HolderOf(fd.get())),
                "wait until it is done, or stop it");
  }
  // The text is for people only: the lock itself is the kernel's, and goes with its process.
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
