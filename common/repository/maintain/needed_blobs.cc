#include "common/repository/maintain/needed_blobs.h"

#include <algorithm>
#include <utility>

#include "common/base/parallel.h"
#include "common/repository/tree/tree_blobs.h"

namespace holdfast::repository {
namespace {

// Directories that one Step() reads.
constexpr std::size_t kStepTrees = 256;

}  // namespace

NeededBlobs::NeededBlobs(Repository& repository, Visitor visitor, Progress& progress)
    : repository_(repository),
      visitor_(std::move(visitor)),
      progress_(progress),
      threads_(ThreadsFor(repository.storage())),
      needed_(repository.index().BlobCount(), false) {}

void NeededBlobs::AddLost(BlobType type, const Id& id, std::optional<Error> error) {
  const bool is_new = lost_ids_[static_cast<std::size_t>(type)].insert(id).second;
  if (is_new) lost_.push_back({type, id, std::move(error)});
}

void NeededBlobs::Add(const Id& tree) {
  const std::optional<std::size_t> number = repository_.index().BlobNumber(BlobType::kTree, tree);
  if (!number) return AddLost(BlobType::kTree, tree, {});
  if (needed_[*number]) return;
  needed_[*number] = true;
  pending_.push_back(tree);
}

Result<bool> NeededBlobs::Step(const std::stop_token& stop) {
  if (pending_.empty()) return false;
  // Takes the last ones, so that the list does not grow with the breadth of all snapshots.
  const std::size_t count = std::min(pending_.size(), kStepTrees);
  const std::vector<Id> trees(pending_.end() - static_cast<std::ptrdiff_t>(count), pending_.end());
  pending_.resize(pending_.size() - count);
  const auto read = [&](std::size_t i) -> Result<void> {
    HF_TRY(CheckStop(stop));
    return Read(trees[i]);
  };
  HF_TRY(ForEachInParallel(trees.size(), threads_, read));
  return true;
}

Result<void> NeededBlobs::Read(const Id& tree) {
  struct Found {
    Id id;
    std::optional<std::size_t> number;
  };
  std::vector<Id> trees;
  std::vector<Found> data;
  const auto visit = [&](const TreeNode& node, std::string_view) -> Result<void> {
    if (node.attributes.type == NodeType::kDirectory) trees.push_back(*node.subtree);
    for (const Id& id : node.content) {
      data.push_back({id, repository_.index().BlobNumber(BlobType::kData, id)});
    }
    return {};
  };
  Bytes blob;
  const auto read_all = [&]() -> Result<void> {
    const std::optional<BlobLocation> location = repository_.index().Find(BlobType::kTree, tree);
    const bool is_large = location && location->plain_length >= kLargeTreeBytes;
    if (is_large || !visitor_.tree) return VisitTreeOf(repository_.blobs(), tree, visit);
    HF_ASSIGN(blob, repository_.blobs().LoadNeeded(BlobType::kTree, tree));
    return VisitTree(tree, blob, visit);
  };
  Result<void> read = read_all();
  const bool is_reported =
      !read &&
      (IsDamage(read.error()) || (visitor_.tolerate_unreachable && IsInaccessible(read.error())));
  if (!read && !is_reported) return read;
  std::lock_guard lock(mutex_);
  ++progress_.items;
  if (!read) {
    AddLost(BlobType::kTree, tree, std::move(read).error());
    return {};
  }
  if (visitor_.tree) HF_TRY(visitor_.tree(tree, blob));
  for (const Found& found : data) {
    if (!found.number) {
      AddLost(BlobType::kData, found.id, {});
      continue;
    }
    if (needed_[*found.number]) continue;
    needed_[*found.number] = true;
    if (visitor_.data) HF_TRY(visitor_.data(found.id));
  }
  for (const Id& id : trees) Add(id);
  return {};
}

}  // namespace holdfast::repository
