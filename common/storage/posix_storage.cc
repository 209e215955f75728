#include "common/storage/posix_storage.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdio>

#include "common/base/crash_point.h"
#include "common/base/format.h"
#include "common/base/random.h"
#include "common/io/fd.h"
#include "common/io/trusted_path.h"

namespace holdfast {
namespace {

constexpr std::size_t kPageBytes = 4096;
// Smaller writes use the page cache: waiting for the disk would cost more.
constexpr std::size_t kDirectBytesMin = 1U << 20;

std::string ParentOf(const std::string& path) { return path.substr(0, path.rfind('/')); }

std::string TemporaryPath(const std::string& path) {
  SystemRandom random;
  return path + "-tmp-" + RandomHex(random, 8);
}

// Adds hints to errors about a disk that is full or not writable. A full disk concerns the whole
// repository, so its message does not name the file.
Error Explain(const Error& error, const std::string& root) {
  if (error.code() == ErrorCode::kNoSpace) {
    const std::string& message = error.message();
    const std::size_t reason = message.rfind(": ");  // these messages end with the system's reason
    return Error(ErrorCode::kNoSpace,
                 fmt::format("write to {}{}", Quote(root),
                             reason == message.npos ? "" : message.substr(reason)))
        .WithHint("free space on the repository's file system, or raise its quota");
  }
  if (error.code() == ErrorCode::kDenied) {
    return Error(error).WithHint(
        "the repository's directory must be writable by this user, and not mounted read-only; a "
        "systemd unit must list it in ReadWritePaths=");
  }
  return error;
}
Result<void> Explained(Result<void> result, const std::string& root) {
  if (!result) return Fail(Explain(result.error(), root));
  return result;
}

// A complete file that only has its temporary name.
struct Finished {
  std::string path;
  dev_t device = 0;
  ino_t inode = 0;

  // Whether it already has this name. A client of a network file system repeats a request that got
  // no answer, and may get an error because the first one succeeded.
  bool Has(const std::string& name) const {
    struct stat status {};
    return stat(name.c_str(), &status) == 0 && status.st_dev == device && status.st_ino == inode;
  }
};

// These functions give the file its name. They return 0 or an errno value.

int RenameOver(const Finished& file, const std::string& to) {
  return rename(file.path.c_str(), to.c_str()) == 0 ? 0 : errno;
}

// For file systems that support neither RENAME_NOREPLACE nor hard links.
int RenameReserved(const Finished& file, const std::string& to, FileKind kind) {
  struct stat status {};
  // Any other writer of this name writes the same content.
  if (kind != FileKind::kConfig) {
    if (stat(to.c_str(), &status) == 0) return EEXIST;
    return RenameOver(file, to);
  }
  // Creating an empty file reserves the name. If the process is killed before the rename, the file
  // stays empty; an empty file is never accepted as a config.
  const int reserved = open(to.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (reserved < 0) return errno;
  (void)close(reserved);
  const int number = RenameOver(file, to);
  if (number != 0 && !file.Has(to)) (void)unlink(to.c_str());
  return number;
}

// Fails if the name exists.
int RenameNew(const Finished& file, const std::string& to, FileKind kind) {
  const char* from = file.path.c_str();
  if (renameat2(AT_FDCWD, from, AT_FDCWD, to.c_str(), RENAME_NOREPLACE) == 0) return 0;
  if (errno != EINVAL && errno != ENOSYS && errno != EOPNOTSUPP) return errno;
  // Network file systems do not support that flag; a hard link is equally exclusive.
  if (link(from, to.c_str()) == 0) {
    (void)unlink(from);  // a second name of the same file, which listings skip
    return 0;
  }
  const bool has_links =
      errno != EPERM && errno != EOPNOTSUPP && errno != ENOSYS && errno != EMLINK;
  return has_links ? errno : RenameReserved(file, to, kind);
}

// Whether `name` is a temporary name of a file of this kind, ours or restic's.
bool IsTemporary(FileKind kind, std::string_view name) {
  constexpr std::string_view kMark = "-tmp-";
  const std::size_t mark = name.find(kMark);
  if (mark == name.npos) return false;
  const std::string_view file = name.substr(0, mark);
  const std::string_view random = name.substr(mark + kMark.size());
  const bool is_of_kind = kind == FileKind::kConfig ? file == FileKindName(kind)
                                                    : IsValidName({kind, std::string(file)});
  return is_of_kind && !random.empty() && std::ranges::all_of(random, [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z');
         });
}

// Null if the directory does not exist.
Result<DirectoryStream> OpenStream(const std::string& directory) {
  DirectoryStream stream(opendir(directory.c_str()));
  if (stream == nullptr && errno != ENOENT && errno != ENOTDIR) {
    return Fail(ErrnoError(errno, "open " + Quote(directory)));
  }
  return stream;
}

// Calls `visit` for each regular file in the directory with a wanted name. A missing directory has
// no files.
Result<void> ForEachFile(
    const DirectoryStream& stream, const std::string& directory,
    const std::function<bool(std::string_view)>& is_wanted,
    const std::function<Result<void>(std::string_view, const struct stat&)>& visit) {
  if (stream == nullptr) return {};
  for (;;) {
    errno = 0;
    const dirent* entry = readdir(stream.get());
    if (entry == nullptr) break;
    if (!is_wanted(entry->d_name)) continue;
    struct stat status {};
    if (fstatat(dirfd(stream.get()), entry->d_name, &status, 0) != 0) {
      if (errno == ENOENT) continue;  // removed since
      return Fail(ErrnoError(errno, fmt::format("stat \"{}/{}\"", directory, entry->d_name)));
    }
    if (S_ISREG(status.st_mode)) HF_TRY(visit(entry->d_name, status));
  }
  if (errno != 0) return Fail(ErrnoError(errno, "list " + Quote(directory)));
  return {};
}

Result<void> ListDirectory(const DirectoryStream& stream, const std::string& directory,
                           FileKind kind, const VisitFile& visit) {
  return ForEachFile(
      stream, directory,
      [&](std::string_view name) {
        return IsValidName({kind, std::string(name)});
      },
      [&](std::string_view name, const struct stat& status) {
        return visit({{kind, std::string(name)}, static_cast<std::uint64_t>(status.st_size)});
      });
}

Result<std::uint64_t> SizeOf(int fd, const std::string& path) {
  HF_ASSIGN(const struct stat status, StatRegularFile(fd, path));
  return static_cast<std::uint64_t>(status.st_size);
}

// Writes the front with O_DIRECT: a backup of gigabytes must not evict the services' data from the
// page cache. Returns the number of bytes written: 0 for small or unaligned content, 0 if the file
// system does not support it, and never the incomplete last page.
Result<std::size_t> WriteDirect(int fd, ByteView content, const std::string& shown) {
  const bool is_aligned = reinterpret_cast<std::uintptr_t>(content.data()) % kPageBytes == 0;
  if (content.size() < kDirectBytesMin || !is_aligned) return std::size_t{0};
  const int flags = fcntl(fd, F_GETFL);
  if (flags < 0 || fcntl(fd, F_SETFL, flags | O_DIRECT) != 0) return std::size_t{0};
  const std::size_t end = content.size() - content.size() % kPageBytes;
  std::size_t done = 0;
  while (done < end && done % kPageBytes == 0) {
    const ssize_t count = write(fd, content.data() + done, end - done);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0 && errno == EINVAL) break;  // its blocks are larger than pages
    if (count < 0) return Fail(ErrnoError(errno, "write " + Quote(shown)));
    done += static_cast<std::size_t>(count);
  }
  if (fcntl(fd, F_SETFL, flags) != 0) {
    return Fail(ErrnoError(errno, "set flags of " + Quote(shown)));
  }
  return done;
}

Result<void> GiveName(const Finished& file, const std::string& to, FileKind kind, PutMode mode) {
  CrashPoint("storage.posix.before_rename");
  const int number = mode == PutMode::kCreate ? RenameNew(file, to, kind) : RenameOver(file, to);
  if (number == 0) return {};
  if (!file.Has(to)) return Fail(ErrnoError(number, "create " + Quote(to)));
  (void)unlink(file.path.c_str());  // a hard link leaves the temporary name
  return {};
}

Result<Finished> WriteTemporary(const std::string& path, ByteView content, unsigned mode) {
  HF_ASSIGN(Fd file, OpenFile(path, O_WRONLY | O_CREAT | O_EXCL, 0600));
  HF_ASSIGN(const std::size_t count, WriteDirect(file.get(), content, path));
  HF_TRY(WriteAll(file.get(), content.subspan(count), path));
  // Read-only to prevent accidents. Some network file systems have no modes, so errors are ignored.
  (void)fchmod(file.get(), mode);
  HF_TRY(SyncFile(file.get(), path));
  struct stat status {};
  if (fstat(file.get(), &status) != 0) return Fail(ErrnoError(errno, "stat " + Quote(path)));
  const int number = file.Release();
  // Network file systems may report a failed write only here.
  if (close(number) != 0 && errno != EINTR) return Fail(ErrnoError(errno, "close " + Quote(path)));
  return Finished{path, status.st_dev, status.st_ino};
}

}  // namespace

PosixStorage::PosixStorage(std::string root) : root_(std::move(root)) {
  HF_CHECK(root_.starts_with('/'));
}

PosixStorage::Modes PosixStorage::ModesNow() {
  std::lock_guard lock(mutex_);
  if (modes_) return *modes_;
  struct stat status {};
  if (stat((root_ + "/config").c_str(), &status) != 0) return {};
  modes_ = (status.st_mode & S_IRGRP) != 0 ? Modes{0750, 0440} : Modes{};
  return *modes_;
}

Result<FileUser> PosixStorage::AsOwner() {
  if (::geteuid() != 0) return FileUser::Become({});
  std::lock_guard lock(mutex_);
  if (owner_) return FileUser::Become(*owner_);
  HF_ASSIGN(const FileOwner owner, OwnerOnTheWay(root_));
  if (::access(root_.c_str(), F_OK) == 0) owner_ = owner;
  return FileUser::Become(owner);
}

// Only opening needs the owner's rights. The caller's visitor keeps its own.
Result<DirectoryStream> PosixStorage::OpenAsOwner(const std::string& directory) {
  HF_ASSIGN(const FileUser rights, AsOwner());
  return OpenStream(directory);
}

Result<void> PosixStorage::Create() {
  HF_ASSIGN(const FileUser rights, AsOwner());
  const Modes modes = ModesNow();
  HF_TRY(Explained(MakeDirectories(root_, modes.directory), root_));
  for (FileKind kind :
       {FileKind::kKey, FileKind::kPack, FileKind::kIndex, FileKind::kSnapshot, FileKind::kLock}) {
    HF_TRY(Explained(
        MakeDirectories(fmt::format("{}/{}", root_, FileKindName(kind)), modes.directory), root_));
  }
  for (int i = 0; i < 256; ++i) {
    HF_TRY(Explained(MakeDirectories(fmt::format("{}/data/{:02x}", root_, i), modes.directory),
                     root_));
  }
  HF_TRY(Explained(SyncDirectory(root_ + "/data"), root_));
  HF_TRY(Explained(SyncDirectory(root_), root_));
  // Makes the root's own name durable, if we may open its parent.
  (void)SyncDirectory(ParentOf(root_) + "/");
  return {};
}

// Creates missing directories below the root, never the root itself. If that is missing, a disk is
// not mounted, and a repository must not grow on the mount point.
Result<void> PosixStorage::MakeDirectoryOf(const FileName& name, const Modes& modes) {
  struct stat status {};
  if (stat(root_.c_str(), &status) != 0) {
    return Fail(
        ErrnoError(errno, "open " + Quote(root_))
            .WithHint(
                "is its disk mounted? For a new repository, `holdfast-agent init` creates it"));
  }
  const std::string top = fmt::format("{}/{}", root_, FileKindName(name.kind));
  const std::string directory = ParentOf(PathOf(name));
  HF_TRY(Explained(MakeDirectories(directory, modes.directory), root_));
  HF_TRY(SyncDirectory(top));
  return SyncDirectory(root_);
}

Result<void> PosixStorage::Put(const FileName& name, ByteView content, PutMode mode) {
  HF_CHECK(IsValidName(name));
  HF_ASSIGN(const FileUser rights, AsOwner());
  const Modes modes = ModesNow();
  const std::string path = PathOf(name);
  const std::string temporary = TemporaryPath(path);
  Result<Finished> file = WriteTemporary(temporary, content, modes.file);
  if (!file && file.error().code() == ErrorCode::kNotFound) {
    HF_TRY(MakeDirectoryOf(name, modes));
    file = WriteTemporary(temporary, content, modes.file);
  }
  Result<void> named = file ? GiveName(*file, path, name.kind, mode) : Fail(file.error());
  if (!named) {
    (void)unlink(temporary.c_str());  // report the first error; listings skip leftovers
    return Explained(std::move(named), root_);
  }
  CrashPoint("storage.posix.after_rename");
  Result<void> synced = SyncDirectory(ParentOf(path));
  // Otherwise a retry would find its own file and treat it as durable. With kReplace a retry writes
  // it again, and the file must not disappear.
  if (!synced && mode == PutMode::kCreate) (void)unlink(path.c_str());
  return Explained(std::move(synced), root_);
}

Result<Bytes> PosixStorage::Get(const FileName& name, ByteRange range) {
  HF_CHECK(IsValidName(name));
  const std::string path = PathOf(name);
  HF_ASSIGN(const FileUser rights, AsOwner());
  // Without O_NONBLOCK, a FIFO in place of a file would block.
  HF_ASSIGN(Fd file, OpenFile(path, O_RDONLY | O_NONBLOCK));
  HF_ASSIGN(std::uint64_t size, SizeOf(file.get(), path));
  if (range.offset == 0 && range.length == 0) {
    if (size > kWholeFileBytesMax) {
      return Fail(ErrorCode::kCorrupt,
                  fmt::format("{} has {}: too large for a file of a repository", Quote(path),
                              FormatBytes(size)));
    }
    range.length = size;
  }
  if (range.offset > size || range.length > size - range.offset) {
    return Fail(ErrorCode::kCorrupt,
                fmt::format("{} has {} bytes, but {} bytes at {} were requested", Quote(path), size,
                            range.length, range.offset));
  }
  Bytes content(range.length);
  HF_TRY(ReadAllAt(file.get(), content, range.offset, path));
  return content;
}

Result<FileInfo> PosixStorage::Stat(const FileName& name) {
  HF_CHECK(IsValidName(name));
  const std::string path = PathOf(name);
  HF_ASSIGN(const FileUser rights, AsOwner());
  struct stat status {};
  if (stat(path.c_str(), &status) != 0) return Fail(ErrnoError(errno, "stat " + Quote(path)));
  return FileInfo{name, static_cast<std::uint64_t>(status.st_size)};
}

Result<void> PosixStorage::List(FileKind kind, const VisitFile& visit) {
  if (kind == FileKind::kConfig) return ListConfig(*this, visit);
  const std::string directory = fmt::format("{}/{}", root_, FileKindName(kind));
  if (kind != FileKind::kPack) {
    HF_ASSIGN(const DirectoryStream stream, OpenAsOwner(directory));
    return ListDirectory(stream, directory, kind, visit);
  }
  for (int i = 0; i < 256; ++i) {
    const std::string prefix = fmt::format("{:02x}", i);
    const std::string below = directory + "/" + prefix;
    HF_ASSIGN(const DirectoryStream stream, OpenAsOwner(below));
    // A pack in the wrong directory cannot be found by its name, so it is not listed.
    HF_TRY(ListDirectory(stream, below, kind, [&](const FileInfo& info) -> Result<void> {
      return info.name.name.starts_with(prefix) ? visit(info) : Result<void>{};
    }));
  }
  return {};
}

Result<void> PosixStorage::Remove(const FileName& name) {
  HF_CHECK(IsValidName(name));
  HF_ASSIGN(const FileUser rights, AsOwner());
  const std::string path = PathOf(name);
  if (unlink(path.c_str()) != 0) {
    return Fail(Explain(ErrnoError(errno, "remove " + Quote(path)), root_));
  }
  return Explained(SyncDirectory(ParentOf(path)), root_);
}

Result<Leftovers> PosixStorage::RemoveLeftovers(const LeftoverSearch& search,
                                                const Permit& permit) {
  const std::chrono::seconds before =
      std::chrono::floor<std::chrono::seconds>(search.before.time_since_epoch());
  Leftovers left;
  const auto search_in = [&](const std::string& directory, FileKind kind) -> Result<void> {
    HF_ASSIGN(const DirectoryStream stream, OpenAsOwner(directory));
    return ForEachFile(
        stream, directory, [&](std::string_view name) { return IsTemporary(kind, name); },
        [&](std::string_view name, const struct stat& status) -> Result<void> {
          if (status.st_mtim.tv_sec >= before.count()) return {};
          if (!search.only_count) {
            if (permit) HF_TRY(permit());
            HF_ASSIGN(const FileUser rights, AsOwner());
            const std::string path = fmt::format("{}/{}", directory, name);
            if (unlink(path.c_str()) != 0 && errno != ENOENT) {
              return Fail(Explain(ErrnoError(errno, "remove " + Quote(path)), root_));
            }
          }
          ++left.files;
          left.bytes += static_cast<std::uint64_t>(status.st_size);
          return {};
        });
  };
  HF_TRY(search_in(root_, FileKind::kConfig));
  for (FileKind kind : {FileKind::kKey, FileKind::kIndex, FileKind::kSnapshot, FileKind::kLock}) {
    HF_TRY(search_in(fmt::format("{}/{}", root_, FileKindName(kind)), kind));
  }
  for (int i = 0; i < 256; ++i) {
    HF_TRY(search_in(fmt::format("{}/data/{:02x}", root_, i), FileKind::kPack));
  }
  return left;
}

}  // namespace holdfast
