#include "common/io/atomic_file.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "common/base/format.h"
#include "common/io/fd.h"

namespace holdfast {
namespace {

constexpr std::string_view kRandomSuffix = "-XXXXXX";

// Writes, syncs and renames; the caller removes `temporary` when this fails.
Result<void> WriteAndRename(int fd, int directory, const std::string& temporary,
                            const std::string& name, ByteView content, unsigned mode,
                            std::optional<FileOwner> owner, const std::string& shown) {
  HF_TRY(WriteAll(fd, content, shown));
  // By descriptor: a user who may write to the directory could replace the file with a link.
  if (owner && fchown(fd, owner->uid, owner->gid) != 0)
    return Fail(ErrnoError(errno, "set the owner of " + Quote(shown)));
  if (fchmod(fd, mode) != 0) return Fail(ErrnoError(errno, "set mode of " + Quote(shown)));
  HF_TRY(SyncFile(fd, shown));
  if (renameat(directory, temporary.c_str(), directory, name.c_str()) != 0) {
    return Fail(ErrnoError(errno, "rename to " + Quote(shown)));
  }
  return directory == AT_FDCWD ? SyncParent(name) : SyncFile(directory, shown);
}

// One directory being emptied: its stream, and its name in the parent.
struct OpenDirectory {
  DIR* stream;
  std::string name;
};

Result<DIR*> OpenDirectoryAt(int parent, const std::string& name, const std::string& shown) {
  HF_ASSIGN(Fd fd, OpenFileAt(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, shown));
  DIR* stream = fdopendir(fd.get());
  if (stream == nullptr) return Fail(ErrnoError(errno, "open " + Quote(shown)));
  (void)fd.Release();  // the stream owns it now
  return stream;
}

constexpr std::size_t kOpenDirectoriesMax = 64;

// Moves the directory `name` up into `top`, so that few directories are open even in a deep tree.
Result<void> MoveUp(int parent, const std::string& name, int top, unsigned& count) {
  for (;;) {
    std::string to = fmt::format(".holdfast-removed-{}", ++count);
    // This may replace an empty directory, which must be removed anyway.
    if (renameat(parent, name.c_str(), top, to.c_str()) == 0) return {};
    if (errno != EEXIST && errno != ENOTEMPTY && errno != ENOTDIR) {
      return Fail(ErrnoError(errno, "rename, to remove it, " + Quote(name)));
    }
  }
}

// Empties and removes a directory. Not recursive, so deep trees do not exhaust the stack.
Result<void> RemoveDirectoryTree(int directory, const std::string& path, const std::string& shown,
                                 dev_t device) {
  std::vector<OpenDirectory> stack;
  HF_ASSIGN(DIR * top, OpenDirectoryAt(directory, path, shown));
  stack.push_back({top, path});
  Result<void> outcome;
  unsigned moved_names = 0;
  bool has_moved = false;
  while (!stack.empty() && outcome) {
    OpenDirectory& current = stack.back();
    int fd = dirfd(current.stream);
    errno = 0;
    const dirent* entry = readdir(current.stream);
    if (entry == nullptr) {
      if (errno != 0) {
        outcome = Fail(ErrnoError(errno, "list " + Quote(current.name)));
        break;
      }
      if (stack.size() == 1 && std::exchange(has_moved, false)) {
        rewinddir(current.stream);
        continue;
      }
      std::string name = current.name;
      closedir(current.stream);
      stack.pop_back();
      int parent = stack.empty() ? directory : dirfd(stack.back().stream);
      if (unlinkat(parent, name.c_str(), AT_REMOVEDIR) != 0 && errno != ENOENT) {
        outcome = Fail(ErrnoError(errno, "remove directory " + Quote(name)));
      }
      continue;
    }
    std::string name = entry->d_name;
    if (name == "." || name == "..") continue;
    struct stat status {};
    if (fstatat(fd, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) {
      if (errno == ENOENT) continue;
      outcome = Fail(ErrnoError(errno, "stat " + Quote(name)));
    } else if (!S_ISDIR(status.st_mode)) {
      if (unlinkat(fd, name.c_str(), 0) != 0 && errno != ENOENT) {
        outcome = Fail(ErrnoError(errno, "remove " + Quote(name)));
      }
    } else if (status.st_dev != device) {
      outcome = Fail(ErrorCode::kDenied,
                     fmt::format("remove {}: another file system is mounted there", Quote(name)),
                     "unmount it first");
    } else if (stack.size() >= kOpenDirectoriesMax) {
      outcome = MoveUp(fd, name, dirfd(stack.front().stream), moved_names);
      has_moved = true;
    } else {
      Result<DIR*> below = OpenDirectoryAt(fd, name, name);
      if (below) {
        stack.push_back({*below, name});
      } else {
        outcome = Fail(std::move(below).error());
      }
    }
  }
  for (OpenDirectory& open : stack) closedir(open.stream);
  return outcome;
}

// Whether all possible holders of a lock are on this host. On other file systems flock() on a
// directory may be local to each kernel.
bool IsOfThisHost(const std::string& directory) {
  constexpr auto kLocal = std::to_array<std::uint32_t>({
      EXT4_SUPER_MAGIC, XFS_SUPER_MAGIC, BTRFS_SUPER_MAGIC, F2FS_SUPER_MAGIC, TMPFS_MAGIC,
      OVERLAYFS_SUPER_MAGIC, 0x2fc12fc1,  // ZFS
  });
  struct statfs status {};
  return statfs(directory.c_str(), &status) == 0 &&
         std::ranges::find(kLocal, static_cast<std::uint32_t>(status.f_type)) != kLocal.end();
}

// What cannot be listed, claimed or removed stays; it does no harm.
void RemoveUnclaimed(const std::string& prefix, const std::string& parent) {
  if (!IsOfThisHost(parent)) return;
  std::error_code error;
  std::vector<std::string> found;
  for (std::filesystem::directory_iterator at(parent, error), end; !error && at != end;
       at.increment(error)) {
    std::string name = at->path().filename().string();
    if (name.starts_with(prefix + "-") && name.size() == prefix.size() + kRandomSuffix.size())
      found.push_back(parent + "/" + name);
  }
  for (const std::string& path : found) {
    const auto fd = OpenFile(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    struct stat status {};
    if (!fd || fstat(fd->get(), &status) != 0 || status.st_uid != geteuid()) continue;
    if (flock(fd->get(), LOCK_EX | LOCK_NB) == 0) (void)RemoveTree(path);
  }
}

}  // namespace

Result<void> WriteFileAtomic(const std::string& path, ByteView content, unsigned mode,
                             std::optional<FileOwner> owner) {
  return WriteFileAtomicAt(AT_FDCWD, path, content, mode, owner, path);
}

Result<void> WriteFileAtomicAt(int directory, const std::string& name, ByteView content,
                               unsigned mode, std::optional<FileOwner> owner,
                               const std::string& shown) {
  const std::string above =
      directory == AT_FDCWD ? "" : fmt::format("/proc/self/fd/{}/", directory);
  std::string temporary = fmt::format("{}{}.tmp{}", above, name, kRandomSuffix);
  Fd fd(mkostemp(temporary.data(), O_CLOEXEC));
  if (!fd.is_open()) return Fail(ErrnoError(errno, "create " + Quote(shown)));
  temporary.erase(0, above.size());
  Result<void> written =
      WriteAndRename(fd.get(), directory, temporary, name, content, mode, owner, shown);
  // It is already renamed if only the last sync failed.
  if (!written) (void)unlinkat(directory, temporary.c_str(), 0);
  return written;
}

Result<TempDir> TempDir::Create(const std::string& prefix, const std::string& parent) {
  std::string where = parent;
  if (where.empty()) {
    const char* from_environment = std::getenv("TMPDIR");
    where = from_environment != nullptr && *from_environment != '\0' ? from_environment : "/tmp";
  }
  std::string path = where + "/" + prefix + std::string(kRandomSuffix);
  if (mkdtemp(path.data()) == nullptr) {
    return Fail(ErrnoError(errno, "create a directory in " + Quote(where)));
  }
  return TempDir(path);
}

Result<TempDir> TempDir::CreateClaimed(const std::string& prefix, const std::string& parent) {
  RemoveUnclaimed(prefix, parent);
  for (;;) {
    HF_ASSIGN(TempDir made, Create(prefix, parent));
    auto claim = OpenFile(made.path_, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    if (claim) {
      while (flock(claim->get(), LOCK_EX) != 0 && errno == EINTR) continue;
      made.claim_ = *std::move(claim);
    }
    // Another process may have treated it as abandoned before it was locked.
    if (access(made.path_.c_str(), F_OK) == 0) return made;
  }
}

TempDir& TempDir::operator=(TempDir&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(claim_, other.claim_);
  return *this;
}

TempDir::~TempDir() {
  if (!path_.empty())
    (void)RemoveTree(path_);  // errors are ignored: leftovers in a temporary directory do no harm
}

Result<void> RemoveTree(const std::string& path) { return RemoveTreeAt(AT_FDCWD, path, path); }

Result<void> RemoveTreeAt(int directory, const std::string& name, const std::string& shown) {
  struct stat status {};
  if (fstatat(directory, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) {
    if (errno == ENOENT) return {};
    return Fail(ErrnoError(errno, "stat " + Quote(shown)));
  }
  if (S_ISDIR(status.st_mode)) return RemoveDirectoryTree(directory, name, shown, status.st_dev);
  if (unlinkat(directory, name.c_str(), 0) != 0 && errno != ENOENT) {
    return Fail(ErrnoError(errno, "remove " + Quote(shown)));
  }
  return {};
}

}  // namespace holdfast
