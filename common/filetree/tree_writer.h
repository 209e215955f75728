// Writes files with all their metadata below one directory, and never outside of it.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"
#include "common/stream/attributes.h"
#include "common/stream/item.h"

namespace holdfast::filetree {

struct WriteOptions {
  bool restore_owner = true;
};

// One thread at a time. Paths are relative, components separated by `/`; "." , "..", empty
// components and absolute paths are refused (kInvalidArgument), and no component is followed if it
// is a symlink (openat2 with RESOLVE_BENEATH and RESOLVE_NO_SYMLINKS), also one that was there
// before.
class TreeWriter {
 public:
  virtual ~TreeWriter() = default;
  // `directory` must exist.
  static Result<std::unique_ptr<TreeWriter>> Open(const std::string& directory,
                                                  const WriteOptions& options);
  // Makes the directory, or takes the one that is there; parents are made where missing. Its
  // attributes are set in Finish(), when nothing is written below it any more.
  virtual Result<void> AddDirectory(std::string_view path, const Attributes& attributes) = 0;
  // Writes a temporary name, verifies the size, sets attributes, renames: a reader sees the old
  // file or the new one. Runs of zeros become holes. A hard link to a file, symlink, device or fifo
  // already written (same device_id and inode, links > 1) is made as one, and `content` is not
  // read.
  virtual Result<void> AddFile(std::string_view path, const Attributes& attributes,
                               ByteReader& content) = 0;
  // Symlinks, devices, fifos, sockets.
  virtual Result<void> AddOther(std::string_view path, const Attributes& attributes) = 0;
  // Directory attributes, deepest first; then everything is made durable by one sync of the file
  // system (syncfs).
  virtual Result<void> Finish() = 0;
  // Attributes that could not be set, per path; not errors: e.g. owner without CAP_CHOWN.
  virtual const std::vector<std::string>& warnings() const = 0;
};

}  // namespace holdfast::filetree
