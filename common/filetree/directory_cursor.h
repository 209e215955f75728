// Opens many directories below one, and never anything outside it.
#pragma once

#include <string>
#include <string_view>

#include "common/base/result.h"
#include "common/io/fd.h"

namespace holdfast::filetree {

// Keeps the last directory open, because the next one is usually the same or below it. Never
// follows symlinks (OpenDirectoryBeneath). One thread at a time.
class DirectoryCursor {
 public:
  // `top` must stay open as long as the cursor lives. Errors name it `directory`.
  DirectoryCursor(int top, std::string directory) : top_(top), directory_(std::move(directory)) {}

  // The descriptor is valid until the next call; "" is the top. kNotFound if it does not exist.
  Result<int> Open(const std::string& path);
  // Like Open(), but creates missing directories with default attributes.
  Result<int> OpenOrCreate(const std::string& path);
  // Call it after removing directories: the open one may be among them.
  void Forget();
  std::string Shown(std::string_view path) const;

 private:
  Result<void> MakeParents(const std::string& path);
  const int top_;
  const std::string directory_;
  Fd open_;  // closed if the last directory is the top itself
  std::string path_;
};

}  // namespace holdfast::filetree
