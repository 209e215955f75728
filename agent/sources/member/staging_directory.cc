#include "agent/sources/member/staging_directory.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <string_view>
#include <utility>

#include "agent/sources/host/paths.h"
#include "common/base/format.h"
#include "common/base/path.h"
#include "common/filetree/beneath.h"
#include "common/filetree/metadata.h"

namespace holdfast {
namespace {

// Whether both are the same file. The caller has one of them open, so its inode number is not
// reused.
bool IsSameInode(const struct stat& one, const struct stat& other) {
  return one.st_dev == other.st_dev && one.st_ino == other.st_ino;
}

// Whether `name` in `directory` is the open file.
bool IsNameOf(int directory, const std::string& name, int opened) {
  struct stat found {};
  struct stat own {};
  return ::fstatat(directory, name.c_str(), &found, AT_SYMLINK_NOFOLLOW) == 0 &&
         ::fstat(opened, &own) == 0 && IsSameInode(found, own);
}

// Like MakeDirectories(), but for a path without symlinks: creates each directory in the open one
// above it. `wanted` is the whole path.
Result<Fd> OpenOrCreate(const std::string& path, unsigned mode, const std::string& wanted) {
  auto opened = filetree::OpenRealDirectory(path);
  if (opened || path == "/") return opened;
  const bool is_other = opened.error().code() == ErrorCode::kInvalidArgument;
  if (!is_other && opened.error().code() != ErrorCode::kNotFound) return opened;
  HF_ASSIGN(const Fd above, OpenOrCreate(ParentPath(path), mode, wanted));
  if (is_other)
    return Fail(ErrorCode::kAlreadyExists,
                fmt::format("create directory {}: {} exists and is not a directory", Quote(wanted),
                            Quote(path)),
                "name another directory");
  const std::string name(BaseName(path));
  if (::mkdirat(above.get(), name.c_str(), mode) != 0 && errno != EEXIST) {
    Error error = ErrnoError(errno, "create directory " + Quote(path));
    // The parent exists, so this file system does not support creating directories.
    if (error.code() == ErrorCode::kNotFound)
      error = std::move(error).WithHint("no directory can be created there; name another one");
    return Fail(std::move(error));
  }
  return filetree::OpenDirectoryBeneath(above.get(), name, path);
}

// Another object may have taken the directory's name after mkdir and before open.
Result<void> CheckIsNew(int directory, const std::string& path) {
  struct stat status {};
  if (::fstat(directory, &status) != 0)
    return Fail(ErrnoError(errno, "read the attributes of " + Quote(path)));
  HF_ASSIGN(const auto names, NamesIn(directory, path));
  const bool is_private = status.st_uid == ::geteuid() && (status.st_mode & 0777) == 0700;
  if (is_private && names.empty()) return {};
  return Fail(ErrorCode::kBusy,
              fmt::format("{} is not the empty directory with mode 0700 that was created there",
                          Quote(path)),
              "stop the process that writes there, and restore again; the file system must support "
              "owners and modes");
}

}  // namespace

StagingDirectory::StagingDirectory(Fd parent, std::string parent_path, const std::string& real,
                                   TempDir claim)
    : parent_(std::move(parent)), parent_path_(std::move(parent_path)), claim_(std::move(claim)) {
  // The destructor of `claim_` would remove whatever has this path by then.
  name_ = BaseName(claim_.Keep());
  path_ = PathOf(name_);
  real_path_ = real + "/" + name_;
}

Result<StagingDirectory> StagingDirectory::Create(const std::string& prefix,
                                                  const std::string& parent, unsigned mode) {
  if (!parent.starts_with('/'))
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("{} is not an absolute path", Quote(parent)));
  const std::string real = WithoutSlashes(host::CanonicalPath(parent));
  HF_ASSIGN(Fd opened, OpenOrCreate(real, mode, parent));
  // The path of the parent may lead elsewhere by now.
  const std::string link = filetree::DescriptorPath(opened.get());
  auto claim = TempDir::CreateClaimed(prefix, link);
  if (!claim) {
    std::string message = claim.error().message();
    const std::string shown = Quote(link);
    if (const std::size_t at = message.find(shown); at != std::string::npos)
      message.replace(at, shown.size(), Quote(parent));
    return Fail(claim.error().code(), message, claim.error().hint());
  }
  StagingDirectory made(std::move(opened), parent, real, *std::move(claim));
  HF_ASSIGN(made.top_, filetree::OpenDirectoryBeneath(made.parent_.get(), made.name_, made.path_));
  if (auto checked = CheckIsNew(made.top_.get(), made.path_); !checked) {
    made.top_.Reset();  // so that nothing in it is removed
    return Fail(std::move(checked).error());
  }
  return made;
}

StagingDirectory::~StagingDirectory() {
  if (top_.is_open()) Remove();
}

// Errors are ignored: the next restore removes what is left.
void StagingDirectory::Remove() const {
  struct stat own {};
  const auto names = NamesIn(top_.get(), path_);
  if (!names || ::fstat(top_.get(), &own) != 0) return;
  for (const std::string& name : *names) {
    struct stat status {};
    const bool is_there = ::fstatat(top_.get(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0;
    // Mounted file systems are not removed.
    if (is_there && status.st_dev == own.st_dev)
      (void)RemoveTreeAt(top_.get(), name, path_ + "/" + name);
  }
  // The name may refer to another object by now, but only an empty directory can be removed.
  if (IsNameOf(parent_.get(), name_, top_.get()))
    (void)::unlinkat(parent_.get(), name_.c_str(), AT_REMOVEDIR);
}

std::string StagingDirectory::PathOf(const std::string& target) const {
  return parent_path_ + (parent_path_.ends_with('/') ? "" : "/") + target;
}

Result<Fd> StagingDirectory::MakeDirectory(const std::string& name) const {
  const std::string path = path_ + "/" + name;
  if (::mkdirat(top_.get(), name.c_str(), 0700) != 0)
    return Fail(ErrnoError(errno, "create directory " + Quote(path)));
  return filetree::OpenDirectoryBeneath(top_.get(), name, path);
}

Result<void> StagingDirectory::Sync() const {
  if (::syncfs(top_.get()) != 0) return Fail(ErrnoError(errno, "sync " + Quote(path_)));
  return {};
}

Result<void> StagingDirectory::CheckPlace() const {
  if (IsNameOf(AT_FDCWD, real_path_, top_.get())) return {};
  return Fail(filetree::Replaced(path_));
}

Result<void> StagingDirectory::Publish(const std::string& name, const std::string& target) const {
  HF_TRY(CheckPlace());
  if (::renameat(top_.get(), name.c_str(), parent_.get(), target.c_str()) != 0)
    return Fail(ErrnoError(errno, "rename to " + Quote(PathOf(target))));
  return {};
}

void StagingDirectory::Withdraw(const std::string& name, const std::string& target,
                                int published) const {
  if (!IsNameOf(parent_.get(), target, published)) return;
  if (::renameat(parent_.get(), target.c_str(), top_.get(), name.c_str()) != 0) return;
  // `target` may have been replaced after the first check, and the destructor removes everything
  // here.
  if (!IsNameOf(top_.get(), name, published))
    (void)::renameat(top_.get(), name.c_str(), parent_.get(), target.c_str());
}

Result<void> StagingDirectory::SyncParent() const { return SyncFile(parent_.get(), parent_path_); }

}  // namespace holdfast
