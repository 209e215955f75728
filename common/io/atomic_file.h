// Files that appear whole or not at all.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "common/base/bytes.h"
#include "common/base/result.h"
#include "common/io/fd.h"

namespace holdfast {

struct FileOwner {
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
};

// Writes a temporary file next to `path`, syncs it, renames it over `path` and syncs the directory.
// It has its owner (default: the caller) and mode when it appears. On an error `path` is unchanged.
// Exception: if only the sync of the directory failed, `path` has the new content, but a power
// failure may restore the old one.
Result<void> WriteFileAtomic(const std::string& path, ByteView content, unsigned mode,
                             std::optional<FileOwner> owner = {});
// The same for `name` in an open directory. Errors name `shown`.
Result<void> WriteFileAtomicAt(int directory, const std::string& name, ByteView content,
                               unsigned mode, std::optional<FileOwner> owner,
                               const std::string& shown);

// A directory that is removed with the object, including everything in it.
class TempDir {
 public:
  // Creates a directory, mode 0700, below `parent` (default: $TMPDIR or /tmp), named
  // "<prefix>-XXXXXX".
  static Result<TempDir> Create(const std::string& prefix, const std::string& parent = "");
  // The same, for large content: first removes directories with this prefix below `parent` that
  // killed processes of the same user left. flock(2) shows which ones these are. On file systems
  // that other hosts may use (such as NFS) flock(2) is not reliable, so they stay.
  static Result<TempDir> CreateClaimed(const std::string& prefix, const std::string& parent);
  TempDir(TempDir&& other) noexcept
      : path_(std::exchange(other.path_, {})), claim_(std::move(other.claim_)) {}
  TempDir& operator=(TempDir&& other) noexcept;
  ~TempDir();
  const std::string& path() const { return path_; }
  // Keeps the directory after the object is destroyed.
  std::string Keep() { return std::exchange(path_, {}); }

 private:
  explicit TempDir(std::string path) : path_(std::move(path)) {}
  std::string path_;
  Fd claim_;  // the locked directory; closed unless CreateClaimed() made it
};

// rm -rf without following links or leaving the file system of `path`. A missing path is no error.
Result<void> RemoveTree(const std::string& path);
// The same for an entry of an open directory. Errors name `shown`.
Result<void> RemoveTreeAt(int directory, const std::string& name, const std::string& shown);

}  // namespace holdfast
