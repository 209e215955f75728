// The directories that were read last, decoded.
#pragma once

#include <list>
#include <memory>
#include <mutex>

#include "common/base/result.h"
#include "common/repository/repository.h"
#include "common/repository/tree_codec.h"

namespace holdfast::repository {

// Safe to use from several threads. A directory is lent out, not shared: who has it, has it alone,
// and a second one who asks meanwhile gets a copy of its own.
class DirectoryCache {
 public:
  class Lease {
   public:
    Lease(DirectoryCache& cache, std::unique_ptr<Directory> directory)
        : cache_(&cache), directory_(std::move(directory)) {}
    Lease(Lease&&) noexcept = default;
    Lease& operator=(Lease&&) = delete;
    ~Lease() {
      if (directory_) cache_->Return(std::move(directory_));
    }
    const Directory& operator*() const { return *directory_; }
    const Directory* operator->() const { return directory_.get(); }

   private:
    DirectoryCache* cache_;
    std::unique_ptr<Directory> directory_;
  };

  explicit DirectoryCache(Repository& repository) : repository_(repository) {}
  // Loads it if nobody did. kCorrupt when its blob is missing or damaged.
  Result<Lease> Borrow(const Id& tree);

 private:
  void Return(std::unique_ptr<Directory> directory);

  Repository& repository_;
  std::mutex mutex_;
  std::list<std::unique_ptr<Directory>> kept_;  // the one used last is first
  std::size_t kept_bytes_ = 0;
};

// A blob that a tree or a snapshot names, so that its absence is damage: kCorrupt, with a hint.
Result<Bytes> LoadNeededBlob(Repository& repository, BlobType type, const Id& id);

}  // namespace holdfast::repository
