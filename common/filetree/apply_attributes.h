// Sets the metadata of one thing that was just made.
#pragma once

#include <string>
#include <vector>

#include "common/base/result.h"
#include "common/stream/attributes.h"

namespace holdfast::filetree {

// How the thing is reached. It must be ours: freshly made, or a directory opened for writing.
struct ApplyTarget {
  int directory = -1;  // of the name
  std::string name;    // in `directory`; "." for a directory itself; without `prune` it may be no
                       // name yet where `fd` is open
  int fd = -1;         // open, not O_PATH; -1 for symlinks, devices, fifos and sockets
  std::string shown;   // for warnings
};

// Owner first, for chown clears setuid bits and capabilities; then mode, extended attributes and
// times. With `prune`, ACLs and user attributes that are not in `attributes` are removed (those
// that were inherited, or that an older state had). What cannot be set is told in `warnings`.
void ApplyAttributes(const ApplyTarget& target, const Attributes& attributes, bool restore_owner,
                     bool prune, std::vector<std::string>& warnings);

// Whether a thing with the extended attributes `present` would get other ones by that, with
// `prune`.
bool NeedsExtended(const std::vector<ExtendedAttribute>& present, const Attributes& wanted);

}  // namespace holdfast::filetree
