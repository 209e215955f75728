#include "common/filetree/metadata.h"

#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cerrno>

#include "common/base/format.h"

namespace holdfast::filetree {
namespace {

constexpr std::size_t kNameBufferMax = 1U << 20;  // a group's record lists all its members
constexpr int kSizeRaces = 8;  // an attribute may grow between querying its size and reading it

// Whether errno `number` means "no attributes" rather than "failed".
bool MeansNoAttributes(int number) {
  return number == ENODATA || number == EOPNOTSUPP || number == ENOSYS;
}

// System calls that apply to a symlink itself, or to what it leads to.
struct ExtendedCalls {
  decltype(&::llistxattr) list;
  decltype(&::lgetxattr) get;
};
constexpr ExtendedCalls kOfLink{::llistxattr, ::lgetxattr};
constexpr ExtendedCalls kFollowing{::listxattr, ::getxattr};

// Reads the value of one attribute; false if it no longer exists.
Result<bool> ReadValue(const ExtendedCalls& calls, const std::string& path, const std::string& name,
                       const std::string& shown, Bytes& value) {
  for (int attempt = 0; attempt < kSizeRaces; ++attempt) {
    ssize_t size = calls.get(path.c_str(), name.c_str(), nullptr, 0);
    if (size >= 0) {
      value.resize(static_cast<std::size_t>(size));
      if (size == 0) return true;
      size = calls.get(path.c_str(), name.c_str(), value.data(), value.size());
    }
    if (size >= 0) {
      value.resize(static_cast<std::size_t>(size));
      return true;
    }
    if (MeansNoAttributes(errno)) return false;
    if (errno != ERANGE) {
      return Fail(ErrnoError(
          errno, fmt::format("read extended attribute {} of {}", Quote(name), Quote(shown))));
    }
  }
  return Fail(ErrorCode::kUnavailable, fmt::format("extended attribute {} of {} changes too fast",
                                                   Quote(name), Quote(shown)));
}

// The name that `look_up` (getpwuid_r() or getgrgid_r()) finds for `id`; empty if it finds none.
template <typename Record>
std::string NameOf(std::uint32_t id,
                   int (*look_up)(std::uint32_t, Record*, char*, std::size_t, Record**),
                   char* Record::*name) {
  std::vector<char> buffer(1024);
  Record record{};
  Record* found = nullptr;
  while (look_up(id, &record, buffer.data(), buffer.size(), &found) == ERANGE &&
         buffer.size() < kNameBufferMax) {
    buffer.resize(buffer.size() * 4);
  }
  return found == nullptr ? "" : found->*name;
}

Result<std::vector<ExtendedAttribute>> ReadAllExtended(const ExtendedCalls& calls,
                                                       const std::string& path,
                                                       const std::string& shown) {
  std::vector<ExtendedAttribute> extended;
  std::string names;
  ssize_t size = -1;
  for (int attempt = 0; attempt < kSizeRaces; ++attempt) {
    size = calls.list(path.c_str(), nullptr, 0);
    if (size == 0) return extended;
    if (size > 0) {
      names.resize(static_cast<std::size_t>(size));
      size = calls.list(path.c_str(), names.data(), names.size());
    }
    if (size >= 0 || errno != ERANGE) break;
  }
  if (size < 0) {
    if (MeansNoAttributes(errno)) return extended;
    return Fail(ErrnoError(errno, "list extended attributes of " + Quote(shown)));
  }
  names.resize(static_cast<std::size_t>(size));
  for (std::size_t at = 0; at < names.size();) {
    std::string one = names.c_str() + at;
    at += one.size() + 1;
    Bytes value;
    HF_ASSIGN(bool is_there, ReadValue(calls, path, one, shown, value));
    if (is_there) extended.push_back({std::move(one), std::move(value)});
  }
  return extended;
}

}  // namespace

NodeType TypeOf(mode_t mode) {
  switch (mode & S_IFMT) {
    case S_IFDIR:
      return NodeType::kDirectory;
    case S_IFLNK:
      return NodeType::kSymlink;
    case S_IFBLK:
      return NodeType::kBlockDevice;
    case S_IFCHR:
      return NodeType::kCharDevice;
    case S_IFIFO:
      return NodeType::kFifo;
    case S_IFSOCK:
      return NodeType::kSocket;
    default:
      return NodeType::kFile;
  }
}

const std::string& NameCache::User(std::uint32_t uid) {
  auto [place, is_new] = users_.try_emplace(uid);
  if (is_new) place->second = NameOf(uid, getpwuid_r, &passwd::pw_name);
  return place->second;
}

const std::string& NameCache::Group(std::uint32_t gid) {
  auto [place, is_new] = groups_.try_emplace(gid);
  if (is_new) place->second = NameOf(gid, getgrgid_r, &group::gr_name);
  return place->second;
}

UnixTime FromTimespec(const struct timespec& time) {
  return {time.tv_sec, static_cast<std::uint32_t>(time.tv_nsec)};
}

Attributes FromStat(const struct stat& status) {
  Attributes attributes;
  attributes.type = TypeOf(status.st_mode);
  attributes.mode = status.st_mode & 07777U;
  attributes.mtime = FromTimespec(status.st_mtim);
  attributes.atime = FromTimespec(status.st_atim);
  attributes.ctime = FromTimespec(status.st_ctim);
  attributes.uid = status.st_uid;
  attributes.gid = status.st_gid;
  attributes.inode = status.st_ino;
  attributes.device_id = status.st_dev;
  attributes.links = status.st_nlink;
  if (attributes.type == NodeType::kFile) {
    attributes.size = static_cast<std::uint64_t>(status.st_size);
  }
  if (attributes.type == NodeType::kBlockDevice || attributes.type == NodeType::kCharDevice) {
    attributes.device = status.st_rdev;
  }
  return attributes;
}

Attributes FromStat(const struct stat& status, NameCache& names) {
  Attributes attributes = FromStat(status);
  attributes.user = names.User(attributes.uid);
  attributes.group = names.Group(attributes.gid);
  return attributes;
}

std::string ProcPath(int directory, const std::string& name) {
  if (directory == AT_FDCWD) return name;
  return DescriptorPath(directory) + "/" + name;
}

std::string DescriptorPath(int fd) { return fmt::format("/proc/self/fd/{}", fd); }

Result<std::vector<ExtendedAttribute>> ReadExtended(int directory, const std::string& name,
                                                    const std::string& shown) {
  return ReadAllExtended(kOfLink, ProcPath(directory, name), shown);
}

Result<std::vector<ExtendedAttribute>> ReadExtendedOf(int fd, const std::string& shown) {
  return ReadAllExtended(kFollowing, DescriptorPath(fd), shown);
}

Missing MissingFor(std::string path, std::string_view action, int number) {
  Missing missing;
  missing.what = std::move(path);
  if (number == ENOENT || number == ENOTDIR) {
    missing.reason = "does not exist";
    missing.remedy = "create it, or remove it from the configuration";
    return missing;
  }
  if (number == ELOOP || number == ENXIO) {
    missing.reason = "changed its type during the backup";
    missing.remedy = "back up again";
    return missing;
  }
  missing.reason = ErrnoError(number, action).message();
  if (number == EACCES || number == EPERM) {
    missing.remedy = "let the agent read it, e.g. with CAP_DAC_READ_SEARCH, its group or an ACL";
  }
  return missing;
}

Result<std::string> ReadLinkTarget(int directory, const std::string& name,
                                   const std::string& shown) {
  std::string target(256, '\0');
  for (;;) {
    ssize_t size = readlinkat(directory, name.c_str(), target.data(), target.size());
    if (size < 0) return Fail(ErrnoError(errno, "read link " + Quote(shown)));
    if (static_cast<std::size_t>(size) < target.size()) {
      target.resize(static_cast<std::size_t>(size));
      return target;
    }
    target.resize(target.size() * 2);
  }
}

}  // namespace holdfast::filetree
