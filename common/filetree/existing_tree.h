// What lies below a directory already: looked at, compared and removed without following a symlink.
#pragma once

#include <sys/stat.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"
#include "common/filetree/directory_cursor.h"
#include "common/io/fd.h"
#include "common/stream/attributes.h"

namespace holdfast::filetree {

// Paths are relative, as TreeWriter has them. One thread at a time.
class ExistingTree {
 public:
  // `top` stays open as long as this lives; without one nothing is there.
  ExistingTree(std::optional<int> top, const std::string& directory)
      : has_top_(top.has_value()), cursor_(top.value_or(-1), directory) {}

  // nullopt where there is nothing, also because something on the way is no directory. kDenied
  // where a symlink stands in the way.
  Result<std::optional<struct stat>> Stat(const std::string& path);
  // For reading. Not open where there is no regular file, or none that may be read.
  Result<Fd> OpenFile(const std::string& path);
  // Whether the thing, which is there with `status`, is as `wanted` says, apart from a file's
  // content, a directory's and the times but mtime.
  Result<bool> IsLike(const std::string& path, const struct stat& status, const Attributes& wanted,
                      bool with_owner);
  // Gives a regular file these attributes; those that it cannot have are told in `warnings`. False,
  // and nothing was done, where `file`, open, is none that lies at `path` alone: what has other
  // names must not change with it. REQUIRES: a file lay there.
  Result<bool> SetAttributes(int file, const std::string& path, const Attributes& attributes,
                             bool restore_owner, std::vector<std::string>& warnings);
  // The names in a directory, in no order; none where it is not there.
  Result<std::vector<std::string>> Names(const std::string& path);
  // The thing with all below it. False, and nothing was done, where another file system is mounted.
  Result<bool> Remove(const std::string& path);
  // A directory that is empty. False where it is not.
  Result<bool> RemoveEmpty(const std::string& path);

  std::string Shown(std::string_view path) const { return cursor_.Shown(path); }

 private:
  struct Place {
    int parent = -1;
    std::string name;
  };
  // nullopt where there is no such directory.
  Result<std::optional<int>> Directory(const std::string& path);
  Result<std::optional<Place>> Find(const std::string& path);

  const bool has_top_;
  DirectoryCursor cursor_;
};

}  // namespace holdfast::filetree
