#include "common/filetree/apply_attributes.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "common/base/format.h"
#include "common/filetree/metadata.h"

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
      : target_(target), attributes_(attributes), warnings_(warnings) {}

  // Whether the object now has the owner that it should have.
  bool SetOwner(bool restore_owner) {
    bool is_link = attributes_.type == NodeType::kSymlink;
    if (restore_owner) {
      int failed = target_.fd >= 0
                       ? fchown(target_.fd, attributes_.uid, attributes_.gid)
                       : fchownat(target_.directory, target_.name.c_str(), attributes_.uid,
                                  attributes_.gid, AT_SYMLINK_NOFOLLOW);
      if (failed == 0) return true;
      Warn(fmt::format("owner {}:{}", attributes_.uid, attributes_.gid), errno);
    }
    if (is_link || (attributes_.mode & kSetIds) == 0) return true;
    struct stat now {};
    const int failed = target_.fd >= 0 ? fstat(target_.fd, &now)
                                       : fstatat(target_.directory, target_.name.c_str(), &now,
                                                 AT_SYMLINK_NOFOLLOW);
    return failed == 0 && now.st_uid == attributes_.uid && now.st_gid == attributes_.gid;
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
    int failed = target_.fd >= 0 ? fchmod(target_.fd, mode) : ChangeModeByName(mode);
    if (failed != 0) Warn(fmt::format("mode {:o}", mode), errno);
  }

  void SetExtended(bool prune) {
    if (!prune && attributes_.extended.empty()) return;
    if (prune) Prune();
    std::string path = ProcPath(target_.directory, target_.name);
    for (const ExtendedAttribute& one : attributes_.extended) {
      int failed =
          target_.fd >= 0
              ? fsetxattr(target_.fd, one.name.c_str(), one.value.data(), one.value.size(), 0)
              : lsetxattr(path.c_str(), one.name.c_str(), one.value.data(), one.value.size(), 0);
      if (failed != 0) Warn("extended attribute " + Quote(one.name), errno);
    }
  }

  void SetTimes() {
    struct timespec times[2] = {
        {attributes_.atime.seconds, static_cast<long>(attributes_.atime.nanoseconds)},
        {attributes_.mtime.seconds, static_cast<long>(attributes_.mtime.nanoseconds)}};
    int failed = target_.fd >= 0 ? futimens(target_.fd, times)
                                 : utimensat(target_.directory, target_.name.c_str(), times,
                                             AT_SYMLINK_NOFOLLOW);
    if (failed != 0) Warn("times", errno);
  }

 private:
  // Before Linux 6.6 no fchmodat() refuses symlinks, but a descriptor cannot be one.
  int ChangeModeByName(mode_t mode) {
    int fd = openat(target_.directory, target_.name.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) return -1;
    std::string path = "/proc/self/fd/" + std::to_string(fd);
    int failed = chmod(path.c_str(), mode);
    int number = errno;
    (void)close(fd);
    errno = number;
    return failed;
  }

  void Prune() {
    Result<std::vector<ExtendedAttribute>> present =
        ReadExtended(target_.directory, target_.name, target_.shown);
    if (!present) return;  // setting the attributes reports the same error
    std::string path = ProcPath(target_.directory, target_.name);
    for (const ExtendedAttribute& one : *present) {
      bool is_wanted = std::ranges::any_of(
          attributes_.extended,
          [&one](const ExtendedAttribute& wanted) { return wanted.name == one.name; });
      if (!IsPruned(one) || is_wanted) continue;
      const int failed = target_.fd >= 0 ? fremovexattr(target_.fd, one.name.c_str())
                                         : lremovexattr(path.c_str(), one.name.c_str());
      if (failed != 0 && errno != ENODATA) {
        Warn("removal of extended attribute " + Quote(one.name), errno);
      }
    }
  }

  void Warn(const std::string& what, int number) {
    warnings_.push_back(
        ErrnoError(number, fmt::format("{}: set {}", Quote(target_.shown), what)).Text());
  }

  const ApplyTarget& target_;
  const Attributes& attributes_;
  std::vector<std::string>& warnings_;
};

}  // namespace

void ApplyAttributes(const ApplyTarget& target, const Attributes& attributes, bool restore_owner,
                     bool prune, std::vector<std::string>& warnings) {
  Applier applier(target, attributes, warnings);
  bool is_owner_right = applier.SetOwner(restore_owner);
  applier.SetMode(is_owner_right);
  applier.SetExtended(prune);
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
