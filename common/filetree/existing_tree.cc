#include "common/filetree/existing_tree.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "common/base/format.h"
#include "common/base/path.h"
#include "common/filetree/apply_attributes.h"
#include "common/filetree/metadata.h"
#include "common/io/atomic_file.h"

namespace holdfast::filetree {

Result<std::optional<int>> ExistingTree::Directory(const std::string& path) {
  if (!has_top_) return std::nullopt;
  Result<int> opened = cursor_.Open(path);
  if (opened) return *opened;
  const ErrorCode code = opened.error().code();
  const bool is_absent = code == ErrorCode::kNotFound || code == ErrorCode::kInvalidArgument;
  if (is_absent) return std::nullopt;
  return Fail(std::move(opened).error());
}

Result<std::optional<ExistingTree::Place>> ExistingTree::Find(const std::string& path) {
  HF_ASSIGN(const std::optional<int> parent, Directory(std::string(PathAbove(path))));
  if (!parent) return std::nullopt;
  return Place{*parent, std::string(BaseName(path))};
}

Result<std::optional<struct stat>> ExistingTree::Stat(const std::string& path) {
  HF_ASSIGN(const std::optional<Place> place, Find(path));
  if (!place) return std::nullopt;
  struct stat status {};
  if (fstatat(place->parent, place->name.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0) return status;
  if (errno == ENOENT) return std::nullopt;
  return Fail(ErrnoError(errno, "stat " + Quote(Shown(path))));
}

Result<Fd> ExistingTree::OpenFile(const std::string& path) {
  HF_ASSIGN(const std::optional<Place> place, Find(path));
  if (!place) return Fd();
  // Opening a fifo must not block.
  Fd file(openat(place->parent, place->name.c_str(),
                 O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
  struct stat status {};
  if (!file.is_open() || fstat(file.get(), &status) != 0 || !S_ISREG(status.st_mode)) return Fd();
  return file;
}

Result<bool> ExistingTree::HasAttributes(const std::string& path, const struct stat& status,
                                         const Attributes& wanted, bool with_owner) {
  HF_ASSIGN(const std::optional<Place> place, Find(path));
  if (!place || TypeOf(status.st_mode) != wanted.type) return false;
  const bool is_link = wanted.type == NodeType::kSymlink;
  const bool is_device =
      wanted.type == NodeType::kBlockDevice || wanted.type == NodeType::kCharDevice;
  if (!is_link && (status.st_mode & 07777U) != (wanted.mode & 07777U)) return false;
  if (FromTimespec(status.st_mtim) != wanted.mtime) return false;
  if (with_owner && (status.st_uid != wanted.uid || status.st_gid != wanted.gid)) return false;
  if (is_device && status.st_rdev != wanted.device) return false;
  if (is_link) {
    HF_ASSIGN(const std::string target, ReadLinkTarget(place->parent, place->name, Shown(path)));
    if (target != wanted.link_target) return false;
  }
  Result<std::vector<ExtendedAttribute>> present =
      ReadExtended(place->parent, place->name, Shown(path));
  if (!present) return false;  // setting them reports the error
  return !NeedsExtended(*present, wanted);
}

Result<bool> ExistingTree::SetAttributes(int file, const std::string& path,
                                         const Attributes& attributes, bool restore_owner,
                                         std::vector<std::string>& warnings) {
  HF_ASSIGN(const std::optional<Place> place, Find(path));
  struct stat status {};
  const bool is_alone = place && fstat(file, &status) == 0 && status.st_nlink == 1;
  if (!is_alone) return false;
  // By descriptor: the name may belong to another file by now.
  ApplyAttributes({.fd = file, .shown = Shown(path)}, attributes, restore_owner, warnings);
  return true;
}

Result<std::vector<std::string>> ExistingTree::Names(const std::string& path) {
  HF_ASSIGN(const std::optional<int> directory, Directory(path));
  if (!directory) return std::vector<std::string>();
  return NamesIn(*directory, Shown(path));
}

Result<bool> ExistingTree::Remove(const std::string& path) {
  HF_ASSIGN(const std::optional<Place> place, Find(path));
  HF_ASSIGN(const std::optional<struct stat> status, Stat(path));
  if (!place || !status) return true;
  struct stat parent {};
  if (fstat(place->parent, &parent) != 0) {
    return Fail(ErrnoError(errno, "stat the directory of " + Quote(Shown(path))));
  }
  if (parent.st_dev != status->st_dev) return false;
  Result<void> removed = RemoveTree(ProcPath(place->parent, place->name));
  if (!removed) {
    return Fail(std::move(removed).error().While("remove " + Quote(Shown(path))));
  }
  cursor_.Forget();
  return true;
}

Result<bool> ExistingTree::RemoveEmpty(const std::string& path) {
  HF_ASSIGN(const std::optional<Place> place, Find(path));
  if (!place || unlinkat(place->parent, place->name.c_str(), AT_REMOVEDIR) == 0) return true;
  if (errno == ENOTEMPTY || errno == EEXIST) return false;
  return Fail(ErrnoError(errno, "remove directory " + Quote(Shown(path))));
}

}  // namespace holdfast::filetree
