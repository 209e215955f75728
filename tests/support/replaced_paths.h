// What the owner of a directory can do while another user works in it, and programs in PATH that do
// it at a given moment.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <string>
#include <string_view>

#include "common/io/atomic_file.h"
#include "tests/support/file_trees.h"

namespace holdfast::testing {

// The directory in `parent` where a restore prepares what it publishes; empty if it does not exist.
inline std::string StagingIn(const std::string& parent) {
  for (const auto& entry : std::filesystem::directory_iterator(parent))
    if (entry.path().filename().string().starts_with(".holdfast-")) return entry.path();
  return "";
}

// Where ReplaceByLink() moves what was at `path`.
inline std::string AsideOf(const std::string& path) { return path + ".aside"; }

// Replaces `path` with a symlink to `target`.
inline void ReplaceByLink(const std::string& path, const std::string& target) {
  std::filesystem::rename(path, AsideOf(path));
  std::filesystem::create_directory_symlink(target, path);
}

// Puts a program first in PATH while the object exists.
class ProgramInPath {
 public:
  ProgramInPath(const std::string& name, std::string_view script) {
    WriteText(directory_.path() + "/" + name, script, 0755);
    ::setenv("PATH", (directory_.path() + ":" + path_).c_str(), 1);
  }
  ProgramInPath(const ProgramInPath&) = delete;
  ProgramInPath& operator=(const ProgramInPath&) = delete;
  ~ProgramInPath() { ::setenv("PATH", path_.c_str(), 1); }

 private:
  static std::string Path() {
    const char* path = std::getenv("PATH");
    return path != nullptr ? path : "/usr/bin:/bin";
  }
  const std::string path_ = Path();
  const TempDir directory_ = Unwrap(TempDir::Create("programs"));
};

}  // namespace holdfast::testing
