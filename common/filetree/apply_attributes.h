// Sets the metadata of a newly created file, directory or other object.
#pragma once

#include <string>
#include <vector>

#include "common/stream/attributes.h"

namespace holdfast::filetree {

// How the object is reached. It must be ours: just created, or a directory opened for writing.
struct ApplyTarget {
  int directory = -1;  // contains `name`
  // "." for `directory` itself. With an open `fd` and without `prune` it need not exist yet.
  std::string name;
  int fd = -1;        // open, not O_PATH; -1 for symlinks, devices, fifos and sockets
  std::string shown;  // for warnings
};

// Sets the owner first, because chown clears setuid bits and capabilities; then mode, extended
// attributes and times. `prune` removes ACLs and user attributes that are not in `attributes`, for
// example inherited ones. What cannot be set is reported in `warnings`.
void ApplyAttributes(const ApplyTarget& target, const Attributes& attributes, bool restore_owner,
                     bool prune, std::vector<std::string>& warnings);

// Whether ApplyAttributes() with `prune` would change extended attributes that are `present` now.
bool NeedsExtended(const std::vector<ExtendedAttribute>& present, const Attributes& wanted);

}  // namespace holdfast::filetree
