// Reads and writes tree blobs of any size. In restic's format a directory is one blob, which takes
// hundreds of megabytes for a million entries.
#pragma once

#include <vector>

#include "common/base/result.h"
#include "common/repository/format/tree_codec.h"
#include "common/repository/store/blob_writer.h"
#include "common/repository/store/index_schedule.h"
#include "common/repository/store/repository.h"

namespace holdfast::repository {

class Lock;

// VisitTree() for the directory `tree`. Of a large one, only the sealed blob and one node are in
// memory. The hash is verified before the first visit. kCorrupt if the blob is missing or damaged.
Result<void> VisitTreeOf(BlobStore& blobs, const Id& tree, const VisitNode& visit);

// Loads the directory `tree`, a large one in compressed pieces. kCorrupt as above.
Result<Directory> LoadDirectory(BlobStore& blobs, const Id& tree);

// Stores what a TreeBuilder built: through the writer or, if it is large, in a separate pack,
// because the writer needs whole blobs. Separate packs are indexed from time to time and at the
// end, like those of the writer.
class TreeSaver {
 public:
  // Parameters as for BlobWriter::Begin(); the writer must outlive the saver.
  TreeSaver(Repository& repository, BlobWriter& writer, const Lock* lock,
            KnownBlobs known = KnownBlobs::kTrust)
      : repository_(repository),
        writer_(writer),
        lock_(lock),
        known_(known),
        index_schedule_(repository.clock().Monotonic()) {}

  TreeBuilder NewBuilder() const { return TreeBuilder(repository_.options().compression); }
  // Stores the tree, empties the builder and returns the id. Errors as for BlobWriter::Save().
  Result<Id> Save(TreeBuilder& builder);
  // On success, all trees are durable and indexed. REQUIRES: the writer's Finish() has returned.
  Result<void> Finish();
  // Counts only what did not go through the writer, which has its own statistics.
  const BlobStatistics& statistics() const { return statistics_; }

 private:
  // Whether the tree is already stored.
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

BlobStatistics operator+(const BlobStatistics& a, const BlobStatistics& b);

}  // namespace holdfast::repository
