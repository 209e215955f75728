#include "common/filetree/beneath.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "common/base/format.h"

namespace holdfast::filetree {
namespace {

constexpr std::size_t kPathMax = 4000;  // the kernel's limit is 4096 with the final zero
constexpr int kFlags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
constexpr int kRetriesMax = 100;  // EAGAIN: a directory above was renamed at the same time

// One openat2(); -1 with errno set. ENOSYS on kernels before 5.6.
int OpenAt2(int base, const std::string& path) {
  struct open_how how {};
  how.flags = kFlags;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
  for (int attempt = 0;; ++attempt) {
    long fd = syscall(SYS_openat2, base, path.c_str(), &how, sizeof how);
    if (fd >= 0) return static_cast<int>(fd);
    bool is_again = errno == EINTR || (errno == EAGAIN && attempt < kRetriesMax);
    if (!is_again) return -1;
  }
}

// Fallback for old kernels: without symlinks and ".." no path leaves `base`.
int OpenByComponents(int base, const std::string& path) {
  Fd current;
  for (std::size_t at = 0; at <= path.size();) {
    std::size_t end = std::min(path.find('/', at), path.size());
    std::string component = path.substr(at, end - at);
    Fd next(openat(current.is_open() ? current.get() : base, component.c_str(), kFlags));
    if (!next.is_open()) return -1;
    current = std::move(next);
    at = end + 1;
  }
  return current.Release();
}

std::unexpected<Error> OpenFailed(int number, int base, const std::string& path,
                                  const std::string& shown) {
  // O_DIRECTORY with O_NOFOLLOW returns ENOTDIR if the last component is a symlink.
  bool is_link = number == ELOOP;
  if (number == ENOTDIR) {
    char target;
    is_link = readlinkat(base, path.c_str(), &target, 1) >= 0;
  }
  if (is_link) {
    return Fail(ErrorCode::kDenied,
                fmt::format("a symlink in the path {} is not followed", Quote(shown)),
                "restore to a new directory, or move the link away");
  }
  if (number == ENOTDIR) {
    return Fail(ErrorCode::kInvalidArgument, fmt::format("{} is not a directory", Quote(shown)),
                "restore to a new directory, or move the file away");
  }
  return Fail(ErrnoError(number, "open directory " + Quote(shown)));
}

}  // namespace

Result<void> CheckRelativePath(std::string_view path, bool may_be_empty) {
  if (path.empty() && may_be_empty) return {};
  bool is_bad = path.find('\0') != std::string_view::npos;
  for (std::size_t at = 0; at <= path.size() && !is_bad;) {
    std::size_t end = std::min(path.find('/', at), path.size());
    std::string_view component = path.substr(at, end - at);
    is_bad = component.empty() || component == "." || component == "..";
    at = end + 1;
  }
  if (!is_bad) return {};
  return Fail(ErrorCode::kInvalidArgument,
              fmt::format("path {} leads to a different place than its components", Quote(path)),
              "the snapshot is damaged or malicious; nothing was written there");
}

Result<Fd> OpenDirectoryBeneath(int base, std::string_view path, const std::string& shown) {
  HF_TRY(CheckRelativePath(path, true));
  if (path.empty()) return OpenFileAt(base, ".", kFlags, 0, shown);
  Fd current;
  while (!path.empty()) {
    std::size_t size = path.size();
    if (size > kPathMax) {
      size = path.substr(0, kPathMax).rfind('/');
      if (size == std::string_view::npos) {
        return Fail(ErrnoError(ENAMETOOLONG, "open directory " + Quote(shown)));
      }
    }
    std::string piece(path.substr(0, size));
    path.remove_prefix(std::min(size + 1, path.size()));
    int from = current.is_open() ? current.get() : base;
    int fd = OpenAt2(from, piece);
    // Some containers return EPERM for unknown system calls.
    if (fd < 0 && (errno == ENOSYS || errno == EPERM)) fd = OpenByComponents(from, piece);
    if (fd < 0) return OpenFailed(errno, from, piece, shown);
    current = Fd(fd);
  }
  return current;
}

Error Replaced(const std::string& shown) {
  return Error(ErrorCode::kBusy,
               fmt::format("another process replaced {} during the restore", Quote(shown)))
      .WithHint("stop the process that writes there, and restore again");
}

Result<Fd> OpenRealDirectory(const std::string& path) {
  HF_ASSIGN(const Fd top, OpenFile("/", O_PATH | O_DIRECTORY));
  return OpenDirectoryBeneath(top.get(), std::string_view(path).substr(1), path);
}

}  // namespace holdfast::filetree
