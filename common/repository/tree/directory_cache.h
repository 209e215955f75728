// Caches decoded directories.
#pragma once

#include <list>
#include <memory>
#include <mutex>

#include "common/base/result.h"
#include "common/repository/format/tree_codec.h"
#include "common/repository/store/blob_store.h"

namespace holdfast::repository {

// Safe to use from several threads. Directories are lent, not shared: if one is in use, another
// borrower gets its own copy.
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

  explicit DirectoryCache(BlobStore& blobs) : blobs_(blobs) {}
  // Loads the directory if it is not cached. kCorrupt if its blob is missing or damaged.
  Result<Lease> Borrow(const Id& tree);

 private:
  void Return(std::unique_ptr<Directory> directory);

  BlobStore& blobs_;
  std::mutex mutex_;
  std::list<std::unique_ptr<Directory>> kept_;  // most recently used first
  std::size_t kept_bytes_ = 0;
};

}  // namespace holdfast::repository
