#include "common/storage/storage.h"

#include <algorithm>

#include "common/base/format.h"
#include "common/storage/posix_storage.h"

namespace holdfast {

std::string_view FileKindName(FileKind kind) {
  switch (kind) {
    case FileKind::kConfig:
      return "config";
    case FileKind::kKey:
      return "keys";
    case FileKind::kPack:
      return "data";
    case FileKind::kIndex:
      return "index";
    case FileKind::kSnapshot:
      return "snapshots";
    case FileKind::kLock:
      return "locks";
  }
  return "";
}

std::string FilePath(const FileName& name) {
  std::string path(FileKindName(name.kind));
  if (name.kind == FileKind::kConfig) return path;
  if (name.kind == FileKind::kPack) path += "/" + name.name.substr(0, 2);
  return path + "/" + name.name;
}

bool IsValidName(const FileName& name) {
  if (name.kind == FileKind::kConfig) return name.name.empty();
  return name.name.size() == 64 && std::ranges::all_of(name.name, [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
         });
}

Result<std::unique_ptr<Storage>> OpenStorage(std::string_view url) {
  std::size_t colon = url.find(':');
  std::string_view scheme = url.substr(0, colon == std::string_view::npos ? 0 : colon);
  if (scheme == "file") {
    std::string_view path = url.substr(colon + 1);
    if (!path.starts_with('/') || path.find('\0') != std::string_view::npos) {
      return Fail(ErrorCode::kInvalidArgument, fmt::format("{} names no absolute path", Quote(url)),
                  "write it as \"file:/srv/backup/main\"");
    }
    return std::make_unique<PosixStorage>(std::string(path));
  }
  for (std::string_view known : {"s3", "azure", "gs", "b2", "sftp", "rest", "rclone", "swift"}) {
    if (scheme != known) continue;
    return Fail(ErrorCode::kUnsupported,
                fmt::format("storage of kind \"{}\" is not built into this version", scheme),
                "use \"file:/absolute/path\", e.g. on a mounted volume");
  }
  return Fail(ErrorCode::kInvalidArgument, fmt::format("{} is no storage URL", Quote(url)),
              "write it as \"file:/srv/backup/main\"");
}

}  // namespace holdfast
