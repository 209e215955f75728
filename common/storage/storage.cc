#include "common/storage/storage.h"

#include <algorithm>

#include "common/base/parallel.h"

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

Result<void> Storage::PutIfPermitted(const FileName& name, ByteView content, const Permit& permit) {
  if (permit) HF_TRY(permit());
  return Put(name, content, PutMode::kReplace);
}

Result<void> Storage::RemoveIfPermitted(const FileName& name, const Permit& permit) {
  if (permit) HF_TRY(permit());
  return Remove(name);
}

Result<Leftovers> Storage::RemoveLeftovers(const LeftoverSearch& /*search*/,
                                           const Permit& /*permit*/) {
  return Leftovers{};
}

Result<void> ListConfig(Storage& storage, const VisitFile& visit) {
  Result<FileInfo> config = storage.Stat({FileKind::kConfig, ""});
  if (config) return visit(*config);
  if (config.error().code() == ErrorCode::kNotFound) return {};
  return Fail(std::move(config).error());
}

unsigned ThreadsFor(const Storage& storage) {
  constexpr unsigned kConnectionsUsed = 16;
  return std::max(CoreCount(), std::min(storage.connections_max(), kConnectionsUsed));
}

unsigned ReadThreadsFor(const Storage& storage) {
  constexpr unsigned kWaitingThreadsMax = 16;
  return std::max(ThreadsFor(storage), std::min(2 * CoreCount(), kWaitingThreadsMax));
}

Result<std::vector<FileInfo>> ListFiles(Storage& storage, FileKind kind) {
  std::vector<FileInfo> files;
  HF_TRY(storage.List(kind, [&](const FileInfo& file) -> Result<void> {
    files.push_back(file);
    return {};
  }));
  return files;
}

}  // namespace holdfast
