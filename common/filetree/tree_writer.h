// Writes files with all their metadata below one directory, and never outside it.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"
#include "common/stream/attributes.h"
#include "common/stream/item.h"

namespace holdfast::filetree {

struct WriteOptions {
  // By numeric id. If off, or on failure, setuid and setgid bits are dropped if the owner differs.
  bool restore_owner = true;
  // The name of files until they are complete. Preferably one that does not exist below the
  // directory. The writer changes it if a file of the snapshot has the same name.
  std::string temporary_name = ".holdfast-part";
  // The directory, if the caller has opened it; its path is then used only in messages.
  int opened = -1;
};

// One thread at a time. Paths are relative, with components separated by `/`. "." , "..", empty
// components and absolute paths are refused (kInvalidArgument). Symlinks are never followed,
// including existing ones (openat2 with RESOLVE_BENEATH and RESOLVE_NO_SYMLINKS).
class TreeWriter {
 public:
  virtual ~TreeWriter() = default;
  // `directory` must exist. A temporary file of a killed writer (".holdfast-part") is replaced by
  // the next file in the same directory; kBusy if its writer is still running.
  static Result<std::unique_ptr<TreeWriter>> Open(const std::string& directory,
                                                  const WriteOptions& options);
  // Creates the directory or uses an existing one; creates missing parents. Finish() sets its
  // attributes, when nothing more is written below it. A file in place of the directory is
  // replaced; a symlink is refused (kDenied).
  virtual Result<void> AddDirectory(std::string_view path, const Attributes& attributes) = 0;
  // Makes Finish() set these attributes on the directory itself, after all others.
  virtual void SetTop(const Attributes& attributes) = 0;
  // Writes a temporary file, verifies the size (kCorrupt), sets attributes and renames: readers see
  // the old file or the new one. A directory at `path` is removed with everything below it. Runs of
  // zeros become holes. If a file with the same device_id and inode, and links > 1, is already
  // written, `path` becomes a hard link to it and `content` is not read.
  virtual Result<void> AddFile(std::string_view path, const Attributes& attributes,
                               ByteReader& content) = 0;
  // Symlinks, devices, fifos, sockets. A device that the caller may not create is skipped with a
  // warning.
  virtual Result<void> AddOther(std::string_view path, const Attributes& attributes) = 0;
  // Hard links, for callers that write files by other means; AddFile() and AddOther() call these
  // themselves. RememberLink() records an existing file that may have further names; HasEarlier()
  // returns whether one is recorded. LinkToEarlier() makes `path` a further name; false if no file
  // is recorded or it cannot be linked. REQUIRES: recorded files exist.
  virtual void RememberLink(std::string_view path, const Attributes& attributes) = 0;
  virtual bool HasEarlier(const Attributes& attributes) const = 0;
  virtual Result<bool> LinkToEarlier(std::string_view path, const Attributes& attributes) = 0;
  // The directory itself; stays open as long as the writer lives.
  virtual int top() const = 0;
  // Sets directory attributes, deepest first, then syncs the file system once (syncfs). kBusy if
  // another process has replaced a directory.
  virtual Result<void> Finish() = 0;
  // Attributes that could not be set, per path; not errors. Example: the owner without CAP_CHOWN.
  virtual const std::vector<std::string>& warnings() const = 0;
};

}  // namespace holdfast::filetree
