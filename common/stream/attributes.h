// Attributes of a file, directory or similar object, without its name and content.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/base/bytes.h"
#include "common/base/clock.h"

namespace holdfast {

enum class NodeType : std::uint8_t {
  kFile,
  kDirectory,
  kSymlink,
  kBlockDevice,
  kCharDevice,
  kFifo,
  kSocket,
};

struct ExtendedAttribute {
  std::string name;  // with its namespace, e.g. "user.comment", "system.posix_acl_access"
  Bytes value;
  bool operator==(const ExtendedAttribute&) const = default;
};

// Times are as in stat(2); strings are raw bytes, not necessarily UTF-8.
struct Attributes {
  NodeType type = NodeType::kFile;
  std::uint32_t mode = 0;  // the low twelve bits of st_mode: permissions, setuid, setgid, sticky
  UnixTime mtime;
  UnixTime atime;
  UnixTime ctime;
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  std::string user;   // empty if the id has no name
  std::string group;  // empty if the id has no name
  std::uint64_t inode = 0;
  std::uint64_t device_id = 0;  // st_dev; distinguishes hard links on different file systems
  std::uint64_t links = 1;
  std::uint64_t size = 0;    // bytes; files only
  std::uint64_t device = 0;  // st_rdev; devices only
  std::string link_target;   // symlinks only
  std::vector<ExtendedAttribute> extended;
  bool operator==(const Attributes&) const = default;
};

}  // namespace holdfast
