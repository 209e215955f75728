// What snapshots amount to, counted as `restic stats` counts it.
#pragma once

#include <cstdint>
#include <stop_token>
#include <string_view>
#include <unordered_set>

#include "common/base/result.h"
#include "common/repository/repository.h"
#include "common/repository/tree_walk.h"

namespace holdfast::repository {

enum class StatsMode : std::uint8_t {
  kRestoreSize,      // what a restore of each of them writes; a file with hard links once
  kFilesByContents,  // each content once, whatever files have it
  kBlobsPerFile,     // each blob once for each path that has it
  kRawData,          // each blob once
};
// "restore-size", "files-by-contents", "blobs-per-file" or "raw-data". kInvalidArgument.
Result<StatsMode> ParseStatsMode(std::string_view text);
std::string_view StatsModeName(StatsMode mode);

struct TreeStats {
  std::uint64_t snapshots = 0;
  std::uint64_t entries = 0;       // files, and in kRestoreSize directories and all else, too
  std::uint64_t blobs = 0;         // kBlobsPerFile and kRawData alone
  std::uint64_t bytes = 0;         // of content; in kRawData of all blobs, directories included
  std::uint64_t bytes_stored = 0;  // kRawData alone: sealed and compressed, as they lie in packs
};

// Memory: about 60 bytes per hard-linked file, content, blob of a path or blob, as the mode is.
class StatsCounter {
 public:
  // REQUIRES: the index was loaded after the snapshots were listed.
  StatsCounter(Repository& repository, StatsMode mode) : repository_(repository), mode_(mode) {}
  // kCorrupt names what the snapshot lacks.
  Result<void> Add(const SnapshotInfo& snapshot, std::stop_token stop);
  const TreeStats& stats() const { return stats_; }

 private:
  class Visitor;
  Result<void> AddBlob(BlobType type, const Id& id);
  Result<void> AddFile(const std::string& path, const TreeNode& node);

  Repository& repository_;
  const StatsMode mode_;
  TreeStats stats_;
  std::unordered_set<Id, IdHash> seen_;   // contents, blobs of a path, or data blobs
  std::unordered_set<Id, IdHash> trees_;  // kRawData
  std::unordered_set<Id, IdHash> paths_;  // kBlobsPerFile: the hashes of paths
};

}  // namespace holdfast::repository
