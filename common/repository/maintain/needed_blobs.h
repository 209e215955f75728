// Finds the blobs that snapshots need, by reading each of their directories once.
#pragma once

#include <array>
#include <cstddef>
#include <functional>
#include <mutex>
#include <optional>
#include <stop_token>
#include <unordered_set>
#include <vector>

#include "common/base/bytes.h"
#include "common/base/result.h"
#include "common/repository/store/repository.h"
#include "common/stream/progress.h"

namespace holdfast::repository {

// A needed blob that cannot be read.
struct LostBlob {
  BlobType type = BlobType::kData;
  Id id;
  std::optional<Error> error;  // from reading it; unset if no pack has it
};

// Used by one thread; reads on several. Memory: a bit per blob of the index, 32 bytes per pending
// directory, and the lost blobs. REQUIRES: the repository's index does not change.
class NeededBlobs {
 public:
  // Called once for each needed blob, one call at a time, on any thread. `blob` is the tree's
  // content; it is empty for trees of kLargeTreeBytes and more.
  struct Visitor {
    std::function<Result<void>(const Id& tree, ByteView blob)> tree;
    std::function<Result<void>(const Id& id)> data;
    // Whether an unreachable directory (IsInaccessible()) counts as lost instead of being an error.
    bool tolerate_unreachable = false;
  };
  // `progress` counts directories.
  NeededBlobs(Repository& repository, Visitor visitor, Progress& progress);

  // Adds a snapshot's tree and all below it.
  void Add(const Id& tree);
  // Reads some of the pending directories; false if nothing is pending. Errors are the visitor's or
  // the storage's, or kCancelled; damage is in lost().
  Result<bool> Step(const std::stop_token& stop);
  // `number` is the blob's Index::BlobNumber().
  bool Has(std::size_t number) const { return needed_[number]; }
  // Each lost blob once.
  const std::vector<LostBlob>& lost() const { return lost_; }

 private:
  Result<void> Read(const Id& tree);
  void AddLost(BlobType type, const Id& id, std::optional<Error> error);

  Repository& repository_;
  const Visitor visitor_;
  Progress& progress_;
  const unsigned threads_;
  std::mutex mutex_;  // guards all below while threads are running
  std::vector<bool> needed_;
  std::vector<Id> pending_;
  std::vector<LostBlob> lost_;
  std::array<std::unordered_set<Id, IdHash>, 2> lost_ids_;  // by type
};

}  // namespace holdfast::repository
