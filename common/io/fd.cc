#include "common/io/fd.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "common/base/format.h"
#include "common/base/path.h"

namespace holdfast {
namespace {

Result<std::vector<std::string>> ReadNames(DIR* stream, const std::string& shown) {
  std::vector<std::string> names;
  for (;;) {
    errno = 0;  // readdir() leaves it unchanged at the end of the directory
    const dirent* entry = readdir(stream);
    if (entry == nullptr) break;
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") names.emplace_back(name);
  }
  if (errno != 0) return Fail(ErrnoError(errno, "list " + Quote(shown)));
  std::ranges::sort(names);
  return names;
}

}  // namespace

Fd& Fd::operator=(Fd&& other) noexcept {
  if (this != &other) {
    Reset();
    number_ = std::exchange(other.number_, -1);
  }
  return *this;
}

void Fd::Reset() {
  if (number_ >= 0) (void)close(number_);  // EINTR leaves the descriptor closed on Linux
  number_ = -1;
}

Result<Fd> OpenFile(const std::string& path, int flags, unsigned mode) {
  return OpenFileAt(AT_FDCWD, path, flags, mode, path);
}

Result<Fd> OpenFileAt(int directory, const std::string& name, int flags, unsigned mode,
                      const std::string& shown) {
  for (;;) {
    int fd = openat(directory, name.c_str(), flags | O_CLOEXEC, mode);
    if (fd >= 0) return Fd(fd);
    if (errno != EINTR) return Fail(ErrnoError(errno, "open " + Quote(shown)));
  }
}

Result<Fd> OpenNamelessFile(const std::string& directory) {
  auto file = OpenFile(directory, O_TMPFILE | O_RDWR, 0600);
  if (file) return file;
  // Not every file system supports O_TMPFILE.
  std::string name = directory + "/nameless-XXXXXX";
  Fd named(mkostemp(name.data(), O_CLOEXEC));
  if (!named.is_open()) return Fail(ErrnoError(errno, "create a file in " + Quote(directory)));
  if (unlink(name.c_str()) != 0) return Fail(ErrnoError(errno, "unlink " + Quote(name)));
  return named;
}

Result<std::size_t> ReadSome(int fd, std::span<std::uint8_t> buffer, const std::string& shown) {
  for (;;) {
    ssize_t count = read(fd, buffer.data(), buffer.size());
    if (count >= 0) return static_cast<std::size_t>(count);
    if (errno != EINTR) return Fail(ErrnoError(errno, "read " + Quote(shown)));
  }
}

Result<void> ReadAllAt(int fd, std::span<std::uint8_t> buffer, std::uint64_t offset,
                       const std::string& shown) {
  while (!buffer.empty()) {
    const ssize_t count = pread(fd, buffer.data(), buffer.size(), static_cast<off_t>(offset));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return Fail(ErrnoError(errno, "read " + Quote(shown)));
    if (count == 0) {
      return Fail(ErrorCode::kCorrupt,
                  fmt::format("{} became shorter while it was read", Quote(shown)));
    }
    buffer = buffer.subspan(static_cast<std::size_t>(count));
    offset += static_cast<std::uint64_t>(count);
  }
  return {};
}

Result<void> WriteAll(int fd, ByteView bytes, const std::string& shown) {
  while (!bytes.empty()) {
    ssize_t count = write(fd, bytes.data(), bytes.size());
    if (count < 0) {
      if (errno == EINTR) continue;
      return Fail(ErrnoError(errno, "write " + Quote(shown)));
    }
    bytes = bytes.subspan(static_cast<std::size_t>(count));
  }
  return {};
}

Result<void> SyncFile(int fd, const std::string& shown) {
  if (fsync(fd) != 0) return Fail(ErrnoError(errno, "sync " + Quote(shown)));
  return {};
}

Result<void> SyncDirectory(const std::string& path) {
  HF_ASSIGN(Fd directory, OpenFile(path, O_RDONLY | O_DIRECTORY));
  return SyncFile(directory.get(), path);
}

Result<void> SyncParent(const std::string& path) { return SyncDirectory(ParentPath(path)); }

Result<void> RemoveFile(const std::string& path) {
  if (unlink(path.c_str()) == 0 || errno == ENOENT) return {};
  return Fail(ErrnoError(errno, "remove " + Quote(path)));
}

Result<void> RemoveFileAt(int directory, const std::string& name, const std::string& shown) {
  if (unlinkat(directory, name.c_str(), 0) == 0 || errno == ENOENT) return {};
  return Fail(ErrnoError(errno, "remove " + Quote(shown)));
}

Result<struct stat> StatRegularFile(int fd, const std::string& shown) {
  struct stat status {};
  if (fstat(fd, &status) != 0) return Fail(ErrnoError(errno, "stat " + Quote(shown)));
  if (!S_ISREG(status.st_mode)) {
    return Fail(ErrorCode::kCorrupt, fmt::format("{} is not a regular file", Quote(shown)));
  }
  return status;
}

Result<Bytes> ReadWholeFile(const std::string& path, std::size_t bytes_max) {
  HF_ASSIGN(const Fd file, OpenFile(path, O_RDONLY));
  return ReadWhole(file.get(), bytes_max, path);
}

Result<Bytes> ReadWhole(int fd, std::size_t bytes_max, const std::string& shown) {
  struct stat status {};
  if (fstat(fd, &status) != 0) return Fail(ErrnoError(errno, "stat " + Quote(shown)));
  if (S_ISDIR(status.st_mode)) {
    return Fail(ErrorCode::kInvalidArgument, fmt::format("{} is a directory", Quote(shown)),
                "name a file");
  }
  Bytes content;
  // st_size is only a guess: files in /proc report 0.
  content.resize(
      std::min<std::size_t>(static_cast<std::size_t>(status.st_size) + 1, bytes_max + 1));
  std::size_t filled = 0;
  for (;;) {
    if (filled == content.size()) {
      if (filled > bytes_max) {
        return Fail(ErrorCode::kInvalidArgument,
                    fmt::format("{} is larger than {}", Quote(shown), FormatBytes(bytes_max)));
      }
      content.resize(std::min(content.size() * 2, bytes_max + 1));
    }
    HF_ASSIGN(std::size_t count, ReadSome(fd, std::span(content).subspan(filled), shown));
    if (count == 0) break;
    filled += count;
  }
  if (filled > bytes_max) {
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("{} is larger than {}", Quote(shown), FormatBytes(bytes_max)));
  }
  content.resize(filled);
  return content;
}

Result<std::vector<std::string>> NamesIn(int directory, const std::string& shown) {
  HF_ASSIGN(Fd own, OpenFileAt(directory, ".", O_RDONLY | O_DIRECTORY, 0, shown));
  const DirectoryStream stream(fdopendir(own.get()));
  if (stream == nullptr) return Fail(ErrnoError(errno, "list " + Quote(shown)));
  (void)own.Release();  // the stream owns it now
  return ReadNames(stream.get(), shown);
}

Result<std::vector<std::string>> NamesIn(const std::string& path) {
  const DirectoryStream stream(opendir(path.c_str()));
  if (stream == nullptr) return Fail(ErrnoError(errno, "list " + Quote(path)));
  return ReadNames(stream.get(), path);
}

Result<Fd> OpenOwnDirectory(const std::string& path) {
  const auto is_own = [](const Fd& directory) {
    struct stat status {};
    return fstat(directory.get(), &status) == 0 && status.st_uid == geteuid();
  };
  const std::string above = path.substr(0, path.rfind('/') + 1);
  HF_ASSIGN(const Fd parent, OpenFile(above, O_RDONLY | O_DIRECTORY));
  if (!is_own(parent)) return Fd();
  const std::string name = path.substr(above.size());
  if (mkdirat(parent.get(), name.c_str(), 0700) != 0 && errno != EEXIST) {
    return Fail(ErrnoError(errno, "create " + Quote(path)));
  }
  HF_ASSIGN(Fd own, OpenFileAt(parent.get(), name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, path));
  return is_own(own) ? std::move(own) : Fd();
}

Result<void> MakeDirectories(const std::string& path, unsigned mode) {
  if (path.empty()) return Fail(ErrorCode::kInvalidArgument, "create a directory without a name");
  std::size_t end = 0;
  while (end < path.size()) {
    end = path.find('/', end + 1);
    if (end == std::string::npos) end = path.size();
    std::string part = path.substr(0, end);
    if (part == "." || part == "/" || part.ends_with('/')) continue;
    if (mkdir(part.c_str(), mode) == 0) continue;
    int number = errno;
    struct stat status {};
    // For an existing directory, mkdir() may return EROFS, EACCES or EEXIST.
    if (stat(part.c_str(), &status) == 0 && S_ISDIR(status.st_mode)) continue;
    if (number == EEXIST) {
      return Fail(ErrorCode::kAlreadyExists,
                  fmt::format("create directory {}: {} exists and is not a directory", Quote(path),
                              Quote(part)),
                  "name another directory");
    }
    Error error = ErrnoError(number, "create directory " + Quote(part));
    // The parent exists, so this file system (/proc, for example) does not create directories.
    if (number == ENOENT) {
      error = std::move(error).WithHint("no directory can be created there; name another one");
    }
    return Fail(std::move(error));
  }
  return {};
}

}  // namespace holdfast
