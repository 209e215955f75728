// Which blobs snapshots need, found by reading all their directories, each once.
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
#include "common/repository/repository.h"
#include "common/stream/progress.h"

namespace holdfast::repository {

// A blob that is needed and cannot be had.
struct LostBlob {
  BlobType type = BlobType::kData;
  Id id;
  std::optional<Error> error;  // of reading it; unset: it is in no pack
};

// Used by one thread; reads on several. Memory: a bit per blob of the index, 32 bytes per directory
// that waits, and what is lost. REQUIRES: the repository's index stays as it is meanwhile.
class NeededBlobs {
 public:
  // Told of each blob the first time it is needed, a tree with its content, but for one of
  // kLargeTreeBytes and more, which is empty here; one call at a time, on any thread.
  struct Visitor {
    std::function<Result<void>(const Id& tree, ByteView blob)> tree = {};
    std::function<Result<void>(const Id& id)> data = {};
    // Whether directories that the storage does not give count as lost, too, instead of being an
    // error.
    bool goes_on = false;
  };
  // `progress` counts directories.
  NeededBlobs(Repository& repository, Visitor visitor, Progress& progress);

  // All below a snapshot's tree.
  void Add(const Id& tree);
  // Reads some of the directories that wait; false when none is left. Errors are the visitor's,
  // those of the storage, and kCancelled; damage is in lost().
  Result<bool> Step(const std::stop_token& stop);
  // By the number of the blob's first entry in the index.
  bool Has(std::size_t number) const { return needed_[number]; }
  // Each once.
  const std::vector<LostBlob>& lost() const { return lost_; }

 private:
  Result<void> Read(const Id& tree);
  void AddLost(BlobType type, const Id& id, std::optional<Error> error);

  Repository& repository_;
  const Visitor visitor_;
  Progress& progress_;
  const unsigned threads_;
  std::mutex mutex_;  // of all below, while threads are at work
  std::vector<bool> needed_;
  std::vector<Id> pending_;
  std::vector<LostBlob> lost_;
  std::array<std::unordered_set<Id, IdHash>, 2> lost_ids_;  // by type
};

}  // namespace holdfast::repository
