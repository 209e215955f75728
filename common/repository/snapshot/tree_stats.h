// Statistics of snapshots, counted like `restic stats`.
#pragma once

#include <cstdint>
#include <stop_token>
#include <string_view>
#include <unordered_set>

#include "common/base/result.h"
#include "common/repository/snapshot/tree_walk.h"
#include "common/repository/store/blob_store.h"

namespace holdfast::repository {

enum class StatsMode : std::uint8_t {
  kRestoreSize,      // what restoring each snapshot writes; hard-linked files count once
  kFilesByContents,  // each distinct content once
  kBlobsPerFile,     // each blob once per path
  kRawData,          // each blob once
};
// "restore-size", "files-by-contents", "blobs-per-file" or "raw-data". kInvalidArgument.
Result<StatsMode> ParseStatsMode(std::string_view text);
std::string_view StatsModeName(StatsMode mode);

struct TreeStats {
  std::uint64_t snapshots = 0;
  std::uint64_t entries = 0;       // files; in kRestoreSize also directories and all else
  std::uint64_t blobs = 0;         // only kBlobsPerFile and kRawData
  std::uint64_t bytes = 0;         // of content; in kRawData of all blobs, directories included
  std::uint64_t bytes_stored = 0;  // only kRawData: sealed and compressed, as stored in packs
};

// Memory: about 60 bytes per hard-linked file, content, blob of a path or blob, by mode.
class StatsCounter {
 public:
  // REQUIRES: the index was loaded after the snapshots were listed.
  StatsCounter(BlobStore& blobs, StatsMode mode) : blobs_(blobs), mode_(mode) {}
  // kCorrupt names what is missing in the snapshot.
  Result<void> Add(const SnapshotInfo& snapshot, std::stop_token stop);
  const TreeStats& stats() const { return stats_; }

 private:
  class Visitor;
  Result<void> AddBlob(BlobType type, const Id& id);
  Result<void> AddFile(const std::string& path, const TreeNode& node);

  BlobStore& blobs_;
  const StatsMode mode_;
  TreeStats stats_;
  std::unordered_set<Id, IdHash> seen_;   // contents, blobs of a path, or data blobs
  std::unordered_set<Id, IdHash> trees_;  // kRawData
  std::unordered_set<Id, IdHash> paths_;  // kBlobsPerFile: the hashes of paths
};

}  // namespace holdfast::repository
