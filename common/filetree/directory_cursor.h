// Opens directories below one, again and again, and never anything outside of it.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "common/base/result.h"
#include "common/io/fd.h"

namespace holdfast::filetree {

// Keeps the directory that was asked for last open, because the next one is mostly the same or lies
// in it. Symlinks are never followed (OpenDirectoryBeneath). One thread at a time.
class DirectoryCursor {
 public:
  // `top` stays open as long as the cursor lives; `directory` is what errors call it.
  DirectoryCursor(int top, std::string directory) : top_(top), directory_(std::move(directory)) {}

  // A descriptor that is good until the next call; "" is the top. kNotFound where there is nothing.
  Result<int> Open(const std::string& path);
  // Makes what is missing on the way; it gets the attributes of any new directory.
  Result<int> OpenOrMake(const std::string& path);
  // Whether new entries of the directory opened last get an ACL by themselves.
  bool inherits();
  // After directories were removed: what is open may be one of them.
  void Forget();
  std::string Shown(std::string_view path) const;

 private:
  Result<void> MakeParents(const std::string& path);
  const int top_;
  const std::string directory_;
  Fd open_;  // not open while the top itself is the last one
  std::string path_;
  std::optional<bool> inherits_;  // of the last one
};

}  // namespace holdfast::filetree
