// A storage in memory.
#pragma once

#include <map>
#include <mutex>
#include <string>
#include <utility>

#include "common/base/format.h"
#include "common/storage/storage.h"

namespace holdfast::testing {

class MemoryStorage final : public Storage {
 public:
  std::string location() const override { return "memory:"; }
  unsigned connections_max() const override { return 4; }
  Result<void> Create() override { return {}; }

  Result<void> Put(const FileName& name, ByteView content, PutMode mode) override {
    HF_CHECK(IsValidName(name));
    std::lock_guard lock(mutex_);
    if (mode == PutMode::kCreate && files_.contains(FilePath(name))) {
      return Fail(ErrorCode::kAlreadyExists,
                  fmt::format("create \"{}\": is there", FilePath(name)));
    }
    files_[FilePath(name)] = {name, Bytes(content.begin(), content.end())};
    return {};
  }

  Result<Bytes> Get(const FileName& name, ByteRange range) override {
    HF_CHECK(IsValidName(name));
    std::lock_guard lock(mutex_);
    auto file = files_.find(FilePath(name));
    if (file == files_.end()) return NotFound(name);
    const Bytes& content = file->second.content;
    if (range.offset == 0 && range.length == 0) return content;
    if (range.offset > content.size() || range.length > content.size() - range.offset) {
      return Fail(ErrorCode::kCorrupt, fmt::format("\"{}\" is too short", FilePath(name)));
    }
    auto begin = content.begin() + static_cast<std::ptrdiff_t>(range.offset);
    return Bytes(begin, begin + static_cast<std::ptrdiff_t>(range.length));
  }

  Result<FileInfo> Stat(const FileName& name) override {
    HF_CHECK(IsValidName(name));
    std::lock_guard lock(mutex_);
    auto file = files_.find(FilePath(name));
    if (file == files_.end()) return NotFound(name);
    return FileInfo{name, file->second.content.size()};
  }

  // Iterates over a copy of the list, so the visitor may put and remove.
  Result<void> List(FileKind kind, const VisitFile& visit) override {
    std::vector<FileInfo> found;
    {
      std::lock_guard lock(mutex_);
      for (const auto& [path, file] : files_) {
        if (file.name.kind == kind) found.push_back({file.name, file.content.size()});
      }
    }
    for (const FileInfo& info : found) HF_TRY(visit(info));
    return {};
  }

  Result<void> Remove(const FileName& name) override {
    HF_CHECK(IsValidName(name));
    std::lock_guard lock(mutex_);
    if (files_.erase(FilePath(name)) == 0) return NotFound(name);
    return {};
  }

 private:
  struct File {
    FileName name;
    Bytes content;
  };
  static std::unexpected<Error> NotFound(const FileName& name) {
    return Fail(ErrorCode::kNotFound, fmt::format("\"{}\" is not there", FilePath(name)));
  }

  std::mutex mutex_;
  std::map<std::string, File> files_;
};

// Forwards all calls, so that a test keeps the storage that it passes on.
class BorrowedStorage final : public Storage {
 public:
  explicit BorrowedStorage(Storage& storage) : storage_(storage) {}
  std::string location() const override { return storage_.location(); }
  unsigned connections_max() const override { return storage_.connections_max(); }
  Result<void> Create() override { return storage_.Create(); }
  Result<void> Put(const FileName& name, ByteView content, PutMode mode) override {
    return storage_.Put(name, content, mode);
  }
  Result<Bytes> Get(const FileName& name, ByteRange range) override {
    return storage_.Get(name, range);
  }
  Result<FileInfo> Stat(const FileName& name) override { return storage_.Stat(name); }
  Result<void> List(FileKind kind, const VisitFile& visit) override {
    return storage_.List(kind, visit);
  }
  Result<void> Remove(const FileName& name) override { return storage_.Remove(name); }
  Result<Leftovers> RemoveLeftovers(const LeftoverSearch& search, const Permit& permit) override {
    return storage_.RemoveLeftovers(search, permit);
  }

 private:
  Storage& storage_;
};

}  // namespace holdfast::testing
