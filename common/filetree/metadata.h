// Metadata of one directory entry, read by descriptor and name. For the walker and whoever compares
// what lies on disk with attributes of a snapshot.
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
  const std::string& User(std::uint32_t uid);   // empty where the id has no name
  const std::string& Group(std::uint32_t gid);  // empty where the id has no name

 private:
  std::map<std::uint32_t, std::string> users_;
  std::map<std::uint32_t, std::string> groups_;
};

NodeType TypeOf(mode_t mode);  // of an st_mode
// What stat(2) says, without names, link target and extended attributes.
Attributes FromStat(const struct stat& status);
UnixTime FromTimespec(const struct timespec& time);

// "/proc/self/fd/<directory>/<name>": reaches what calls without an `at` variant need, however deep
// it lies; "." is the directory itself. Just `name` where `directory` is AT_FDCWD.
std::string ProcPath(int directory, const std::string& name);

// All extended attributes in the kernel's order, never following a symlink. Empty where the file
// system has none. `directory` may be AT_FDCWD when `name` is a path.
Result<std::vector<ExtendedAttribute>> ReadExtended(int directory, const std::string& name,
                                                    const std::string& shown);

// `path` as what a snapshot lacks because `action` failed with `number`, and what helps.
Missing MissingFor(std::string path, std::string_view action, int number);

// Target of a symlink, raw bytes.
Result<std::string> ReadLinkTarget(int directory, const std::string& name,
                                   const std::string& shown);

}  // namespace holdfast::filetree
