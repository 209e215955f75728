// Files that appear whole or not at all.
#pragma once

#include <string>

#include "common/base/bytes.h"
#include "common/base/random.h"
#include "common/base/result.h"

namespace holdfast {

// Writes a temporary file beside `path`, syncs it, renames it over `path` and syncs the directory.
// On an error `path` is as it was; or, where only the directory could not be synced, it has the new
// content, and after a power failure perhaps the old one again.
Result<void> WriteFileAtomic(const std::string& path, ByteView content, unsigned mode);

// A directory that goes with the object, with all below it.
class TempDir {
 public:
  // A fresh directory, mode 0700, below `parent` (default: $TMPDIR or /tmp), named
  // "<prefix>-XXXXXX".
  static Result<TempDir> Create(const std::string& prefix, const std::string& parent = "");
  TempDir(TempDir&& other) noexcept : path_(std::exchange(other.path_, {})) {}
  TempDir& operator=(TempDir&& other) noexcept;
  ~TempDir();
  const std::string& path() const { return path_; }
  // The directory stays when the object goes.
  std::string Keep() { return std::exchange(path_, {}); }

 private:
  explicit TempDir(std::string path) : path_(std::move(path)) {}
  std::string path_;
};

// rm -rf without following links or leaving `path`'s file system. Missing is no error.
Result<void> RemoveTree(const std::string& path);

}  // namespace holdfast
