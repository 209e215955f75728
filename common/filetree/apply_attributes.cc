#include "common/filetree/apply_attributes.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "common/base/format.h"
#include "common/filetree/metadata.h"
#include "common/io/fd.h"

namespace holdfast::filetree {
namespace {

constexpr mode_t kSetIds = S_ISUID | S_ISGID;

// Attributes that pruning removes unless they are wanted. The system manages the others.
bool IsPruned(const ExtendedAttribute& one) {
  return one.name.starts_with("user.") || one.name.starts_with("system.posix_acl_") ||
         one.name == "security.capability";
}

class Applier {
 public:
  Applier(const ApplyTarget& target, const Attributes& attributes,
          std::vector<std::string>& warnings)
      : target_(target), attributes_(attributes), warnings_(warnings), fd_(target.fd) {}

  // Opens the object. False, with a warning, if it is not the one that was created.
  bool Open() {
    if (target_.fd >= 0) return true;
    named_ = Fd(openat(target_.directory, target_.name.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
    struct stat status {};
    if (!named_.is_open() || fstat(named_.get(), &status) != 0) {
      Warn("attributes", errno);
      return false;
    }
    if (TypeOf(status.st_mode) != attributes_.type) {
      warnings_.push_back(fmt::format(
          "{}: attributes were not set because another process replaced it", Quote(target_.shown)));
      return false;
    }
    fd_ = named_.get();
    path_ = DescriptorPath(fd_);
    return true;
  }

  // Whether the object now has the owner that it should have.
  bool SetOwner(bool restore_owner) {
    if (restore_owner) {
      const int failed = path_.empty() ? fchown(fd_, attributes_.uid, attributes_.gid)
                                       : chown(path_.c_str(), attributes_.uid, attributes_.gid);
      if (failed == 0) return true;
      Warn(fmt::format("owner {}:{}", attributes_.uid, attributes_.gid), errno);
    }
    if (attributes_.type == NodeType::kSymlink || (attributes_.mode & kSetIds) == 0) return true;
    struct stat now {};
    return fstat(fd_, &now) == 0 && now.st_uid == attributes_.uid && now.st_gid == attributes_.gid;
  }

  void SetMode(bool is_owner_right) {
    if (attributes_.type == NodeType::kSymlink) return;
    mode_t mode = attributes_.mode & 07777U;
    if (!is_owner_right && (mode & kSetIds) != 0) {
      // Directories keep setgid: it only sets the group of new entries.
      mode &= ~(attributes_.type == NodeType::kDirectory ? mode_t{S_ISUID} : kSetIds);
      if (mode != (attributes_.mode & 07777U)) {
        warnings_.push_back(
            fmt::format("{}: setuid and setgid are left out because its owner differs now",
                        Quote(target_.shown)));
      }
    }
    const int failed = path_.empty() ? fchmod(fd_, mode) : chmod(path_.c_str(), mode);
    if (failed != 0) Warn(fmt::format("mode {:o}", mode), errno);
  }

  void SetExtended() {
    for (const ExtendedAttribute& one : attributes_.extended) {
      const int failed =
          path_.empty()
              ? fsetxattr(fd_, one.name.c_str(), one.value.data(), one.value.size(), 0)
              : setxattr(path_.c_str(), one.name.c_str(), one.value.data(), one.value.size(), 0);
      if (failed != 0) Warn("extended attribute " + Quote(one.name), errno);
    }
  }

  void SetTimes() {
    struct timespec times[2] = {
        {attributes_.atime.seconds, static_cast<long>(attributes_.atime.nanoseconds)},
        {attributes_.mtime.seconds, static_cast<long>(attributes_.mtime.nanoseconds)}};
    const int failed =
        path_.empty() ? futimens(fd_, times) : utimensat(AT_FDCWD, path_.c_str(), times, 0);
    if (failed != 0) Warn("times", errno);
  }

  void Prune() {
    // Most objects have no extended attributes.
    if (path_.empty() && flistxattr(fd_, nullptr, 0) == 0) return;
    Result<std::vector<ExtendedAttribute>> present = ReadExtendedOf(fd_, target_.shown);
    if (!present) return;  // setting the attributes reports the same error
    for (const ExtendedAttribute& one : *present) {
      bool is_wanted = std::ranges::any_of(
          attributes_.extended,
          [&one](const ExtendedAttribute& wanted) { return wanted.name == one.name; });
      if (!IsPruned(one) || is_wanted) continue;
      const int failed = path_.empty() ? fremovexattr(fd_, one.name.c_str())
                                       : removexattr(path_.c_str(), one.name.c_str());
      if (failed != 0 && errno != ENODATA) {
        Warn("removal of extended attribute " + Quote(one.name), errno);
      }
    }
  }

 private:
  void Warn(const std::string& what, int number) {
    warnings_.push_back(
        ErrnoError(number, fmt::format("{}: set {}", Quote(target_.shown), what)).Text());
  }

  const ApplyTarget& target_;
  const Attributes& attributes_;
  std::vector<std::string>& warnings_;
  Fd named_;          // with O_PATH
  int fd_;            // the target's, or `named_`
  std::string path_;  // of `named_`, which most calls on descriptors refuse; empty: use `fd_`
};

}  // namespace

void ApplyAttributes(const ApplyTarget& target, const Attributes& attributes, bool restore_owner,
                     std::vector<std::string>& warnings) {
  Applier applier(target, attributes, warnings);
  if (!applier.Open()) return;
  applier.Prune();
  const bool is_owner_right = applier.SetOwner(restore_owner);
  applier.SetMode(is_owner_right);
  applier.SetExtended();
  applier.SetTimes();
}

bool NeedsExtended(const std::vector<ExtendedAttribute>& present, const Attributes& wanted) {
  for (const ExtendedAttribute& one : wanted.extended) {
    if (std::ranges::find(present, one) == present.end()) return true;
  }
  return std::ranges::any_of(present, [&wanted](const ExtendedAttribute& one) {
    return IsPruned(one) && std::ranges::find(wanted.extended, one.name,
                                              &ExtendedAttribute::name) == wanted.extended.end();
  });
}

}  // namespace holdfast::filetree
