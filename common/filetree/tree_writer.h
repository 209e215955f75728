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
  // By number. Without it, or where it fails, setuid and setgid of what would belong to somebody
  // else are left out.
  bool restore_owner = true;
  // What files are called until they are whole. A name that nothing below the directory has is
  // safest; with this one it is made sure of as far as the writer itself makes things.
  std::string temporary_name = ".holdfast-part";
};

// One thread at a time. Paths are relative, components separated by `/`; "." , "..", empty
// components and absolute paths are refused (kInvalidArgument), and no component is followed if it
// is a symlink (openat2 with RESOLVE_BENEATH and RESOLVE_NO_SYMLINKS), also one that was there
// before.
class TreeWriter {
 public:
  virtual ~TreeWriter() = default;
  // `directory` must exist. What a killed writer left there (".holdfast-part") is replaced by the
  // next file of the same directory; kBusy when another writer is at it right now.
  static Result<std::unique_ptr<TreeWriter>> Open(const std::string& directory,
                                                  const WriteOptions& options);
  // Makes the directory, or takes the one that is there; parents are made where missing. Its
  // attributes are set in Finish(), when nothing is written below it any more. Files that stand
  // where a directory must be are replaced; a symlink there is refused (kDenied).
  virtual Result<void> AddDirectory(std::string_view path, const Attributes& attributes) = 0;
  // Writes a temporary name, verifies the size (kCorrupt), sets attributes, renames: a reader sees
  // the old file or the new one; a directory that stands there is removed with all below it. Runs
  // of zeros become holes. A hard link to a file, symlink, device or fifo
  // already written (same device_id and inode, links > 1) is made as one, and `content` is not
  // read.
  virtual Result<void> AddFile(std::string_view path, const Attributes& attributes,
                               ByteReader& content) = 0;
  // Symlinks, devices, fifos, sockets. A device that the caller may not make is left out with a
  // warning.
  virtual Result<void> AddOther(std::string_view path, const Attributes& attributes) = 0;
  // What AddFile() and AddOther() do by themselves, for who writes files otherwise: notes that the
  // thing is there now and may have further names; whether it has been noted; and makes `path` a
  // further name, false where it is none or cannot be made one. REQUIRES: what was noted is there.
  virtual void RememberLink(std::string_view path, const Attributes& attributes) = 0;
  virtual bool HasEarlier(const Attributes& attributes) const = 0;
  virtual Result<bool> LinkToEarlier(std::string_view path, const Attributes& attributes) = 0;
  // The directory itself, open as long as the writer lives.
  virtual int top() const = 0;
  // Directory attributes, deepest first; then everything is made durable by one sync of the file
  // system (syncfs).
  virtual Result<void> Finish() = 0;
  // Attributes that could not be set, per path; not errors: e.g. owner without CAP_CHOWN.
  virtual const std::vector<std::string>& warnings() const = 0;
};

}  // namespace holdfast::filetree
