// Tree blobs to and from a repository, whatever their size: a directory is one blob in restic's
// format, of hundreds of megabytes where it has a million entries.
#pragma once

#include <functional>
#include <string_view>
#include <vector>

#include "common/base/result.h"
#include "common/repository/blob_writer.h"
#include "common/repository/index_schedule.h"
#include "common/repository/repository.h"
#include "common/repository/tree_codec.h"

namespace holdfast::repository {

class Lock;

// VisitTree() of the directory `tree`; of a large one nothing but the sealed blob and one node is
// in memory. Its hash is verified before the first node is visited. kCorrupt when its blob is
// missing or damaged.
Result<void> VisitTreeOf(
    Repository& repository, const Id& tree,
    const std::function<Result<void>(const TreeNode& node, std::string_view json)>& visit);

// The directory `tree`, a large one packed. kCorrupt as above.
Result<Directory> LoadDirectory(Repository& repository, const Id& tree);

// Stores what a TreeBuilder made: through the writer or, if it is large, in a pack of its own,
// because the writer wants blobs as a whole. Packs of its own are indexed now and then and at
// the end, as the writer's are.
class TreeSaver {
 public:
  // As BlobWriter::Begin(); the writer must outlive the saver.
  TreeSaver(Repository& repository, BlobWriter& writer, const Lock* lock,
            KnownBlobs known = KnownBlobs::kTrust)
      : repository_(repository),
        writer_(writer),
        lock_(lock),
        known_(known),
        index_schedule_(repository.clock().Monotonic()) {}

  TreeBuilder NewBuilder() const { return TreeBuilder(repository_.options().compression); }
  // The tree's id. Errors are those of BlobWriter::Save(). The builder is empty afterwards.
  Result<Id> Save(TreeBuilder& builder);
  // All that was saved is durable and indexed; REQUIRES: the writer's Finish() has returned.
  Result<void> Finish();
  // What did not go through the writer, and so is missing in its own.
  const BlobStatistics& statistics() const { return statistics_; }

 private:
  // Whether it need not be stored.
  Result<bool> Has(const Id& tree);
  Result<void> Store(GrowingTree::Finished tree);
  Result<void> SaveIndex();

  Repository& repository_;
  BlobWriter& writer_;
  const Lock* lock_;
  const KnownBlobs known_;
  BlobStatistics statistics_;
  std::vector<PackContents> unindexed_;  // each with one tree
  IndexSchedule index_schedule_;         // of unindexed_
};

// The sum of both.
BlobStatistics operator+(const BlobStatistics& a, const BlobStatistics& b);

}  // namespace holdfast::repository
