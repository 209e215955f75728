#include "common/repository/tree/directory_cache.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "common/repository/tree/tree_blobs.h"

namespace holdfast::repository {
namespace {

// The largest directory does not count. Otherwise the small ones on the path to it would evict it
// for each of its entries.
constexpr std::size_t kKeptBytesMax = 32U << 20;
constexpr std::size_t kKeptCountMax = 256;

}  // namespace

Result<DirectoryCache::Lease> DirectoryCache::Borrow(const Id& tree) {
  {
    std::lock_guard lock(mutex_);
    for (auto it = kept_.begin(); it != kept_.end(); ++it) {
      if ((*it)->id() != tree) continue;
      std::unique_ptr<Directory> found = std::move(*it);
      kept_.erase(it);
      kept_bytes_ -= found->memory();
      return Lease(*this, std::move(found));
    }
  }
  HF_ASSIGN(Directory directory, LoadDirectory(blobs_, tree));
  return Lease(*this, std::make_unique<Directory>(std::move(directory)));
}

void DirectoryCache::Return(std::unique_ptr<Directory> directory) {
  std::lock_guard lock(mutex_);
  for (const auto& kept : kept_) {
    if (kept->id() == directory->id()) return;
  }
  kept_bytes_ += directory->memory();
  kept_.push_front(std::move(directory));
  if (kept_bytes_ <= kKeptBytesMax && kept_.size() <= kKeptCountMax) return;
  const auto largest = std::ranges::max_element(
      kept_, {}, [](const std::unique_ptr<Directory>& kept) { return kept->memory(); });
  const Directory* spared = largest->get();
  const auto is_full = [&] {
    return kept_.size() > 1 &&
           (kept_bytes_ - spared->memory() > kKeptBytesMax || kept_.size() > kKeptCountMax);
  };
  while (is_full()) {
    auto oldest = std::prev(kept_.end());
    if (oldest->get() == spared) --oldest;
    kept_bytes_ -= (*oldest)->memory();
    kept_.erase(oldest);
  }
}

}  // namespace holdfast::repository
