// Mounted file systems, and those that should be mounted.
#pragma once

#include <string>
#include <vector>

#include "common/base/result.h"

namespace holdfast::filetree {

// Files that list what is mounted, and what should be.
struct MountSources {
  std::string mountinfo = "/proc/self/mountinfo";
  std::string fstab = "/etc/fstab";
  std::string units = "/etc/systemd/system";  // a directory with the administrator's mount units
};

// Mount points in this process's mount namespace (proc(5), mountinfo): absolute paths as the kernel
// reports them.
Result<std::vector<std::string>> MountPoints(const MountSources& sources = {});

// A file system that the host's configuration mounts at `point`, but that is not mounted.
struct Unmounted {
  std::string point;
  std::string said_by;  // the configuration file
  bool operator==(const Unmounted&) const = default;
};
// Missing mounts at `path`, above it or below it. Those below it count only if they are not mounted
// on demand. `path` is absolute and real. Empty if the mount points cannot be read.
std::vector<Unmounted> FindMissingMounts(const std::string& path, const MountSources& sources = {});

// Mount points at or below `path`, which is absolute and real, without a trailing slash.
Result<std::vector<std::string>> MountPointsBelow(const std::string& path);

}  // namespace holdfast::filetree
