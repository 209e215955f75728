#include "common/io/file_lock.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <optional>
#include <string_view>

#include "common/base/format.h"
#include "common/base/number.h"
#include "common/base/path.h"
#include "common/base/text.h"
#include "common/io/ownership.h"

namespace holdfast {
namespace {

// The file has two lines: the holder's description of itself and its process id. A process that was
// killed leaves both, and the next holder may not be able to replace them.
std::string HolderOf(int fd) {
  constexpr std::string_view kUnknown = "another process";
  std::string text(512, '\0');
  const ssize_t count = pread(fd, text.data(), text.size(), 0);
  text.resize(count > 0 ? static_cast<std::size_t>(count) : 0);
  std::string_view rest = text;
  const std::string_view holder = TakeLine(rest);
  const std::optional<pid_t> process = ParseWhole<pid_t>(TakeLine(rest));
  const bool is_gone = process && *process > 0 && kill(*process, 0) != 0 && errno == ESRCH;
  return std::string(holder.empty() || is_gone ? kUnknown : holder);
}

}  // namespace

FileLock::~FileLock() {
  // Fails if this process may only read the file; then it wrote no description.
  if (fd_.is_open()) (void)!ftruncate(fd_.get(), 0);
}

Result<FileLock> FileLock::Lock(Fd fd, const std::string& holder, const std::string& shown) {
  if (flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return Fail(ErrnoError(errno, "lock " + Quote(shown)));
    return Fail(ErrorCode::kBusy, fmt::format("held by {}", HolderOf(fd.get())),
                "wait until it is done, or stop it");
  }
  const int flags = fcntl(fd.get(), F_GETFL);
  if (flags >= 0 && (flags & O_ACCMODE) == O_RDONLY) return FileLock(std::move(fd));
  // The text is only for users: the kernel holds the lock and releases it with the process.
  if (ftruncate(fd.get(), 0) != 0) return Fail(ErrnoError(errno, "write " + Quote(shown)));
  HF_TRY(WriteAll(fd.get(), AsBytes(fmt::format("{}\n{}\n", holder, getpid())), shown));
  return FileLock(std::move(fd));
}

Result<FileLock> FileLock::Acquire(const std::string& path, const std::string& holder) {
  const std::string directory(PathAbove(path));
  if (!directory.empty()) HF_TRY(MakeDirectories(directory, 0755));
  HF_ASSIGN(Fd fd, OpenFile(path, O_RDWR | O_CREAT | O_NOFOLLOW, 0644));
  // The service must be able to take the lock after root, even if root's process is killed.
  if (!directory.empty()) HF_TRY(InheritOwner(fd.get(), path, directory));
  return Lock(std::move(fd), holder, path);
}

Result<FileLock> FileLock::AcquireAt(int directory, const std::string& name,
                                     const std::string& holder, const std::string& shown) {
  constexpr int kSafe = O_NOFOLLOW | O_NONBLOCK;
  Result<Fd> fd = OpenFileAt(directory, name, O_RDWR | O_CREAT | kSafe, 0640, shown);
  if (!fd) {
    Result<Fd> readable = OpenFileAt(directory, name, O_RDONLY | kSafe, 0, shown);
    if (!readable) return Fail(std::move(fd).error());
    fd = std::move(readable);
  }
  HF_TRY(StatRegularFile(fd->get(), shown));
  return Lock(*std::move(fd), holder, shown);
}

Result<bool> FileLock::IsHeld(const std::string& path) {
  HF_ASSIGN(const Fd fd, OpenFile(path, O_RDONLY | O_NOFOLLOW));
  if (flock(fd.get(), LOCK_SH | LOCK_NB) == 0) return false;
  if (errno == EWOULDBLOCK) return true;
  return Fail(ErrnoError(errno, "lock " + Quote(path)));
}

}  // namespace holdfast
