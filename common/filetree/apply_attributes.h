// Sets the metadata of a newly created file, directory or other object.
#pragma once

#include <string>
#include <vector>

#include "common/stream/attributes.h"

namespace holdfast::filetree {

// How the object is reached. It must be ours: just created, or a directory opened for writing.
struct ApplyTarget {
  int fd = -1;  // open, not O_PATH; -1 for symlinks, devices, fifos and sockets
  // Without `fd`: the name in an open directory. If the object there has another type by now,
  // because another user has replaced it, it is not changed, and there is a warning.
  int directory = -1;
  std::string name = {};
  std::string shown;  // for warnings
};

// Removes ACLs and user attributes that are not in `attributes`, for example inherited ones, before
// a mode could make them effective. Then sets the owner, before the rest because chown clears
// setuid bits and capabilities; then mode, extended attributes and times. What cannot be set is
// reported in `warnings`.
void ApplyAttributes(const ApplyTarget& target, const Attributes& attributes, bool restore_owner,
                     std::vector<std::string>& warnings);

// Whether ApplyAttributes() would change extended attributes that are `present` now.
bool NeedsExtended(const std::vector<ExtendedAttribute>& present, const Attributes& wanted);

}  // namespace holdfast::filetree
