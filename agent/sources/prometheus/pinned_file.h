// A file held open while it is on its way into a snapshot: whatever becomes of its name, and
// whatever is appended meanwhile, it is read as long as it was when it was pinned.
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

// `name` in the open directory. nullopt when it is not there; kCorrupt when it is not a regular
// file.
Result<std::optional<PinnedFile>> PinFile(int directory, const std::string& name, std::string path,
                                          std::string shown, filetree::NameCache& names);

// Its content; kCorrupt where it has become shorter.
Item PinnedItem(PinnedFile pinned);

// A directory's item. `directory` is open.
Result<Item> DirectoryItem(int directory, std::string path, const std::string& shown,
                           filetree::NameCache& names);

// Names in an open directory, but "." and "..", sorted.
Result<std::vector<std::string>> NamesIn(int directory, const std::string& shown);

}  // namespace holdfast::prometheus
