#include "common/repository/directory_cache.h"

#include <utility>

namespace holdfast::repository {
namespace {

// The last one is kept however large it is; its neighbours' questions come next.
constexpr std::size_t kKeptBytesMax = 32U << 20;
constexpr std::size_t kKeptCountMax = 256;

}  // namespace

Result<Bytes> LoadNeededBlob(Repository& repository, BlobType type, const Id& id) {
  Result<Bytes> blob = repository.LoadBlob(type, id);
  if (blob || blob.error().code() != ErrorCode::kNotFound) return blob;
  return Fail(ErrorCode::kCorrupt, std::move(blob).error().message(),
              "the repository is damaged; \"check\" names what else is missing");
}

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
  HF_ASSIGN(Bytes blob, LoadNeededBlob(repository_, BlobType::kTree, tree));
  HF_ASSIGN(Directory directory, Directory::Parse(tree, std::move(blob)));
  return Lease(*this, std::make_unique<Directory>(std::move(directory)));
}

void DirectoryCache::Return(std::unique_ptr<Directory> directory) {
  std::lock_guard lock(mutex_);
  for (const auto& kept : kept_) {
    if (kept->id() == directory->id()) return;
  }
  kept_bytes_ += directory->memory();
  kept_.push_front(std::move(directory));
  while (kept_.size() > 1 && (kept_bytes_ > kKeptBytesMax || kept_.size() > kKeptCountMax)) {
    kept_bytes_ -= kept_.back()->memory();
    kept_.pop_back();
  }
}

}  // namespace holdfast::repository
