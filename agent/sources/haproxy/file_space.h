// Access to files by the names that HAProxy uses, wherever the content is: on the live system, or
// staged by a restore.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"

namespace holdfast::haproxy {

enum class FileType : std::uint8_t { kNone, kFile, kDirectory, kOther };

// Paths are absolute. One thread at a time.
class FileSpace {
 public:
  virtual ~FileSpace() = default;
  // Follows symlinks. kNone also if a parent directory may not be searched.
  virtual FileType Type(const std::string& path) const = 0;
  // kInvalidArgument above 16 MiB: no configuration or certificate list is that large.
  virtual Result<std::string> Read(const std::string& path) const = 0;
  // Names in a directory in byte order, without hidden ones.
  virtual Result<std::vector<std::string>> List(const std::string& path) const = 0;
};

class LiveFiles final : public FileSpace {
 public:
  FileType Type(const std::string& path) const override;
  Result<std::string> Read(const std::string& path) const override;
  Result<std::vector<std::string>> List(const std::string& path) const override;
};

// The live file system with a mirror on top: paths that exist below `mirror` are taken from there,
// and paths in `removed` do not exist.
class OverlaidFiles final : public FileSpace {
 public:
  OverlaidFiles(std::string mirror, std::set<std::string> removed)
      : mirror_(std::move(mirror)), removed_(std::move(removed)) {}

  FileType Type(const std::string& path) const override;
  Result<std::string> Read(const std::string& path) const override;
  Result<std::vector<std::string>> List(const std::string& path) const override;
  // The path in the mirror, if the mirror has it; otherwise `path` itself.
  std::string Physical(const std::string& path) const;

 private:
  std::string mirror_;
  std::set<std::string> removed_;
  LiveFiles live_;
};

// `path` made absolute against `directory`, without empty, "." and ".." components. As in the
// kernel, ".." applies after symlinks before it are resolved.
std::string AbsolutePath(std::string_view directory, std::string_view path);

// The paths to save so that `path` can be opened again: each symlink on the way, and what they
// finally lead to, without symlinks in their directories. Only `path` itself if it does not exist.
std::vector<std::string> ResolvedPaths(const std::string& path);

}  // namespace holdfast::haproxy
