#include "common/io/trusted_path.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <deque>
#include <functional>
#include <utility>
#include <vector>

#include "common/base/format.h"
#include "common/base/path.h"

namespace holdfast {
namespace {

constexpr int kLinksMax = 40;  // the kernel's own limit
// Without O_NONBLOCK, a FIFO that has no writer would block. Without O_NOCTTY, a terminal could
// become the controlling terminal of this process.
constexpr int kRead = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY;

void Prepend(const std::string& path, std::deque<std::string>& left) {
  const std::vector<std::string> components = PathComponents(path);
  left.insert(left.begin(), components.begin(), components.end());
}

// An empty name means the directory itself.
Result<struct stat> StatusAt(int directory, const std::string& name, const std::string& shown) {
  struct stat status {};
  const int flags = AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH;
  if (::fstatat(directory, name.c_str(), &status, flags) == 0) return status;
  return Fail(ErrnoError(errno, "read the attributes of " + Quote(shown)));
}

// Walks a path from "/", one component at a time, by descriptor.
class Walk {
 public:
  // Called for each component, including symlinks. `is_near` is true for the last component and for
  // its directory. An error ends the walk.
  using Check = std::function<Result<void>(const struct stat&, const std::string&, bool is_near)>;

  explicit Walk(Check check) : check_(std::move(check)) {}

  // Opens the last component with `flags`.
  Result<Fd> Open(const std::string& path, int flags) {
    if (!path.starts_with('/')) {
      return Fail(ErrorCode::kInvalidArgument, fmt::format("path {} is not absolute", Quote(path)),
                  "begin it with \"/\"");
    }
    Prepend(path, left_);
    HF_TRY(AtRoot());
    while (!left_.empty()) {
      const std::string name = std::move(left_.front());
      left_.pop_front();
      const std::string shown = shown_ + "/" + name;
      HF_ASSIGN(const struct stat status, StatusAt(at_.get(), name, shown));
      if (S_ISLNK(status.st_mode)) {
        HF_TRY(Follow(status, name, shown));
        continue;
      }
      const bool is_last = left_.empty();
      if (is_last) HF_TRY(CheckOpen(at_, shown_.empty() ? "/" : shown_, true));
      HF_TRY(check_(status, shown, is_last));
      const int how = is_last ? flags : O_PATH | O_DIRECTORY | O_NOFOLLOW;
      HF_ASSIGN(Fd next, OpenFileAt(at_.get(), name, how, 0, shown));
      // The entry may have been replaced since it was examined.
      HF_TRY(CheckOpen(next, shown, is_last));
      if (is_last) return next;
      at_ = std::move(next);
      shown_ = shown;
    }
    return OpenFileAt(at_.get(), ".", flags, 0, shown_.empty() ? "/" : shown_);
  }

 private:
  Result<void> AtRoot() {
    HF_ASSIGN(at_, OpenFile("/", O_PATH | O_DIRECTORY));
    shown_.clear();
    return CheckOpen(at_, "/", false);
  }

  Result<void> CheckOpen(const Fd& fd, const std::string& shown, bool is_near) {
    HF_ASSIGN(const struct stat status, StatusAt(fd.get(), "", shown));
    return check_(status, shown, is_near);
  }

  // Continues with the target of the symlink `name`.
  Result<void> Follow(struct stat status, const std::string& name, const std::string& shown) {
    status.st_mode &= ~mode_t{S_IWGRP | S_IWOTH};  // a symlink always has mode 0777
    HF_TRY(check_(status, shown, false));
    if (++links_ > kLinksMax) {
      return Fail(ErrorCode::kUnsupported,
                  fmt::format("too many symlinks in the path {}", Quote(shown)),
                  "name the real path");
    }
    std::array<char, 4096> target{};
    const ssize_t size = ::readlinkat(at_.get(), name.c_str(), target.data(), target.size());
    if (size < 0) return Fail(ErrnoError(errno, "read the symlink " + Quote(shown)));
    const std::string text(target.data(), static_cast<std::size_t>(size));
    Prepend(text, left_);
    return text.starts_with('/') ? AtRoot() : Result<void>();
  }

  const Check check_;
  Fd at_;
  std::string shown_;  // the path of `at_`; "/" is the empty string
  std::deque<std::string> left_;
  int links_ = 0;
};

// A process without root's rights can only harm its own user, so it accepts what is common in home
// directories.
Result<void> CheckForUs(const struct stat& status, const std::string& shown, bool is_near) {
  if (!is_near && ::geteuid() != 0) return {};
  return CheckTrusted(status, shown);
}

Result<Fd> OpenAt(int directory, const std::string& name, int flags, const std::string& shown) {
  Result<Fd> fd = OpenFileAt(directory, name, flags, 0, shown);
  if (!fd) {
    const Result<struct stat> status = StatusAt(directory, name, shown);
    if (!status || !S_ISLNK(status->st_mode)) return Fail(std::move(fd).error());
    return Fail(ErrorCode::kDenied, fmt::format("{} is a symlink", Quote(shown)),
                "find out who created it, then remove it");
  }
  HF_ASSIGN(const struct stat status, StatusAt(fd->get(), "", shown));
  HF_TRY(CheckTrusted(status, shown));
  return fd;
}

}  // namespace

Result<void> CheckTrusted(const struct stat& status, const std::string& path) {
  if (status.st_uid != 0 && status.st_uid != ::geteuid()) {
    return Fail(
        ErrorCode::kDenied,
        fmt::format("{} belongs to user {}, who could change it", Quote(path), status.st_uid),
        fmt::format("chown root {}", path));
  }
  const bool is_sticky = S_ISDIR(status.st_mode) && (status.st_mode & S_ISVTX) != 0;
  if ((status.st_mode & (S_IWGRP | S_IWOTH)) != 0 && !is_sticky) {
    return Fail(ErrorCode::kDenied, fmt::format("{} is writable by group or others", Quote(path)),
                fmt::format("chmod go-w {}", path));
  }
  return {};
}

Result<FileOwner> OwnerOnTheWay(const std::string& path) {
  FileOwner owner;
  const auto find = [&owner](const struct stat& status, const std::string&, bool) -> Result<void> {
    owner = {.uid = status.st_uid, .gid = status.st_gid};
    if (owner.uid == 0) return {};
    return Fail(ErrorCode::kDenied, "found");
  };
  const Result<Fd> opened = Walk(find).Open(path, O_PATH);
  const bool is_done = opened || owner.uid != 0 || opened.error().code() == ErrorCode::kNotFound;
  if (!is_done) return Fail(opened.error());
  return owner.uid == 0 ? FileOwner{} : owner;
}

Result<Fd> OpenTrustedFile(const std::string& path) {
  HF_ASSIGN(Fd file, Walk(CheckForUs).Open(path, kRead));
  HF_TRY(StatRegularFile(file.get(), path));
  return file;
}

Result<Fd> OpenTrustedDirectory(const std::string& path) {
  return Walk(CheckForUs).Open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
}

Result<Fd> OpenTrustedFileAt(int directory, const std::string& name, const std::string& shown) {
  HF_ASSIGN(Fd file, OpenAt(directory, name, kRead, shown));
  HF_TRY(StatRegularFile(file.get(), shown));
  return file;
}

Result<Fd> MakeTrustedDirectoryAt(int directory, const std::string& name,
                                  const std::string& shown) {
  const bool is_new = ::mkdirat(directory, name.c_str(), 0755) == 0;
  if (!is_new && errno != EEXIST) {
    return Fail(ErrnoError(errno, "create directory " + Quote(shown)));
  }
  HF_ASSIGN(Fd made, OpenAt(directory, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, shown));
  if (is_new && ::fchmod(made.get(), 0755) != 0) {
    return Fail(ErrnoError(errno, "change the mode of " + Quote(shown)));
  }
  return made;
}

}  // namespace holdfast
