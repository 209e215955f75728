// Files by the names that HAProxy knows them under, wherever their bytes really are: the live
// system, or what a restore has staged beside it.
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
  // Following symlinks; kNone also where a parent directory may not be searched.
  virtual FileType Type(const std::string& path) const = 0;
  // kInvalidArgument above 16 MiB: no configuration or certificate list is that large.
  virtual Result<std::string> Read(const std::string& path) const = 0;
  // Names in a directory, ascending by bytes, hidden ones left out.
  virtual Result<std::vector<std::string>> List(const std::string& path) const = 0;
};

// The file system as it is.
class LiveFiles final : public FileSpace {
 public:
  FileType Type(const std::string& path) const override;
  Result<std::string> Read(const std::string& path) const override;
  Result<std::vector<std::string>> List(const std::string& path) const override;
};

// The live system with a mirror laid over it: a path that exists below `mirror` is taken from
// there, one in `removed` is not there at all.
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

// `path` made absolute against `directory`, without ".", empty and ".." components; ".." goes up
// from where symlinks before it lead, as the kernel does.
std::string AbsolutePath(std::string_view directory, std::string_view path);
std::string ParentPath(std::string_view path);  // "/" for "/x"

// What must be saved so that `path` can be opened again: each symlink on the way, by its place
// without symlinks, and what they lead to at last. Only `path` itself where nothing is there.
std::vector<std::string> ResolvedPaths(const std::string& path);

}  // namespace holdfast::haproxy
