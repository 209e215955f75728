// What already exists below a directory: inspects, compares and removes without following symlinks.
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

// Paths are relative, as in TreeWriter. One thread at a time.
class ExistingTree {
 public:
  // `top` must stay open as long as this lives. Without it the tree is empty.
  ExistingTree(std::optional<int> top, const std::string& directory)
      : has_top_(top.has_value()), cursor_(top.value_or(-1), directory) {}

  // nullopt if nothing exists there, or if a parent is not a directory. kDenied if a parent is a
  // symlink.
  Result<std::optional<struct stat>> Stat(const std::string& path);
  // Opens for reading. The result is not open unless `path` is a regular file that may be read.
  Result<Fd> OpenFile(const std::string& path);
  // Whether the existing object with `status` matches `wanted`. Does not compare the content of
  // files and directories; of the times, compares only mtime.
  Result<bool> HasAttributes(const std::string& path, const struct stat& status,
                             const Attributes& wanted, bool with_owner);
  // Sets the attributes of a regular file; those that cannot be set are reported in `warnings`.
  // Does nothing and returns false if `file`, open, has other names: they must not change with it.
  // REQUIRES: `path` was a file.
  Result<bool> SetAttributes(int file, const std::string& path, const Attributes& attributes,
                             bool restore_owner, std::vector<std::string>& warnings);
  // The names in a directory, unsorted; empty if it does not exist.
  Result<std::vector<std::string>> Names(const std::string& path);
  // Removes an object and everything below it. If it is a mount point, does nothing and returns
  // false.
  Result<bool> Remove(const std::string& path);
  // Removes an empty directory. False if it is not empty.
  Result<bool> RemoveEmpty(const std::string& path);

  std::string Shown(std::string_view path) const { return cursor_.Shown(path); }

 private:
  struct Place {
    int parent = -1;
    std::string name;
  };
  // nullopt if there is no such directory.
  Result<std::optional<int>> Directory(const std::string& path);
  Result<std::optional<Place>> Find(const std::string& path);

  const bool has_top_;
  DirectoryCursor cursor_;
};

}  // namespace holdfast::filetree
