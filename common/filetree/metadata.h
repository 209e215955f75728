// Metadata of one directory entry, read by descriptor and name. Used by the walker and to compare
// files on disk with a snapshot's attributes.
#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"
#include "common/stream/attributes.h"
#include "common/stream/manifest.h"

namespace holdfast::filetree {

// User and group names by id; each id is looked up once. One thread at a time.
class NameCache {
 public:
  const std::string& User(std::uint32_t uid);   // empty if the id has no name
  const std::string& Group(std::uint32_t gid);  // empty if the id has no name

 private:
  std::map<std::uint32_t, std::string> users_;
  std::map<std::uint32_t, std::string> groups_;
};

NodeType TypeOf(mode_t mode);  // of an st_mode
// The fields of stat(2), without names, link target and extended attributes.
Attributes FromStat(const struct stat& status);
// The same with the names of user and group.
Attributes FromStat(const struct stat& status, NameCache& names);
UnixTime FromTimespec(const struct timespec& time);

// "/proc/self/fd/<directory>/<name>", for system calls without an `at` variant. Works at any depth.
// "." is the directory itself. Just `name` if `directory` is AT_FDCWD.
std::string ProcPath(int directory, const std::string& name);

// "/proc/self/fd/<fd>", for system calls without a variant for descriptors. REQUIRES: the call
// follows symlinks. It then applies to the open object, even if that is itself a symlink.
std::string DescriptorPath(int fd);

// All extended attributes in the kernel's order. Never follows a symlink. Empty if the file system
// does not support them. If `directory` is AT_FDCWD, `name` is a path.
Result<std::vector<ExtendedAttribute>> ReadExtended(int directory, const std::string& name,
                                                    const std::string& shown);

// The same for an open descriptor, which may have been opened with O_PATH.
Result<std::vector<ExtendedAttribute>> ReadExtendedOf(int fd, const std::string& shown);

// The manifest entry for `path`, missing because `action` failed with errno `number`.
Missing MissingFor(std::string path, std::string_view action, int number);

// Target of a symlink as raw bytes.
Result<std::string> ReadLinkTarget(int directory, const std::string& name,
                                   const std::string& shown);

}  // namespace holdfast::filetree
