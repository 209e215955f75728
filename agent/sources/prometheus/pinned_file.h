// A file that is held open while it is saved. It is read up to the size that it had when it was
// pinned, even if it is renamed, deleted or appended to.
#pragma once

#include <optional>
#include <string>

#include "common/base/result.h"
#include "common/filetree/metadata.h"
#include "common/io/fd.h"
#include "common/stream/item.h"

namespace holdfast::prometheus {

struct PinnedFile {
  std::string path;  // in the snapshot
  std::string shown;
  Fd file;
  Attributes attributes;
};

// Opens `name` in the open directory. nullopt if absent; kCorrupt if not a regular file.
Result<std::optional<PinnedFile>> PinFile(int directory, const std::string& name, std::string path,
                                          std::string shown, filetree::NameCache& names);

// Its item. Reading fails with kCorrupt if the file became shorter.
Item PinnedItem(PinnedFile pinned);

// The item of the open directory.
Result<Item> DirectoryItem(int directory, std::string path, const std::string& shown,
                           filetree::NameCache& names);

}  // namespace holdfast::prometheus
