// What is mounted where.
#pragma once

#include <string>
#include <vector>

#include "common/base/result.h"

namespace holdfast::filetree {

// Where this host says what is mounted, and what should be.
struct MountSources {
  std::string mountinfo = "/proc/self/mountinfo";
  std::string fstab = "/etc/fstab";
  std::string units = "/etc/systemd/system";  // a directory with the administrator's mount units
};

// Mount points of this process's name space (proc(5), mountinfo): absolute, as the kernel names
// them.
Result<std::vector<std::string>> MountPoints(const MountSources& sources = {});

// A file system that the configuration of the host has at `point`, and that is not mounted.
struct Unmounted {
  std::string point;
  std::string said_by;  // the file that says so
  bool operator==(const Unmounted&) const = default;
};
// Those that hide what should be at `path`: at it, above it, or below it, there without those that
// are mounted on demand only. `path` is absolute and real. Empty where nothing can be known.
std::vector<Unmounted> FindUnmounted(const std::string& path, const MountSources& sources = {});

// Those that are `path` or lie below it. `path` is absolute and real, without a trailing slash.
Result<std::vector<std::string>> MountPointsBelow(const std::string& path);

}  // namespace holdfast::filetree
