// Files that appear whole or not at all.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "common/base/bytes.h"
#include "common/base/random.h"
#include "common/base/result.h"
#include "common/io/fd.h"

namespace holdfast {

struct FileOwner {
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
};

// Writes a temporary file beside `path`, syncs it, renames it over `path` and syncs the directory.
// It has its owner (default: whoever runs this) and mode when it appears. On an error `path` is as
// it was; or, where only the directory could not be synced, it has the new content, and after a
// power failure perhaps the old one again.
Result<void> WriteFileAtomic(const std::string& path, ByteView content, unsigned mode,
                             std::optional<FileOwner> owner = {});

// A directory that goes with the object, with all below it.
class TempDir {
 public:
  // A fresh directory, mode 0700, below `parent` (default: $TMPDIR or /tmp), named
  // "<prefix>-XXXXXX".
  static Result<TempDir> Create(const std::string& prefix, const std::string& parent = "");
  // The same, for what may be large: what killed processes of the same user left below `parent` of
  // such directories is removed first. Which those are flock(2) tells; on file systems that other
  // hosts may use as well (NFS and the like), of whose locks it knows nothing, they stay.
  static Result<TempDir> CreateClaimed(const std::string& prefix, const std::string& parent);
  TempDir(TempDir&& other) noexcept
      : path_(std::exchange(other.path_, {})), claim_(std::move(other.claim_)) {}
  TempDir& operator=(TempDir&& other) noexcept;
  ~TempDir();
  const std::string& path() const { return path_; }
  // The directory stays when the object goes.
  std::string Keep() { return std::exchange(path_, {}); }

 private:
  explicit TempDir(std::string path) : path_(std::move(path)) {}
  std::string path_;
  Fd claim_;  // of the directory, locked; closed where nobody else looks at it
};

// rm -rf without following links or leaving `path`'s file system. Missing is no error.
Result<void> RemoveTree(const std::string& path);

}  // namespace holdfast
