// Copies snapshots to another repository.
#pragma once

#include <cstdint>
#include <optional>
#include <stop_token>
#include <vector>

#include "common/base/result.h"
#include "common/repository/snapshot/snapshot_info.h"
#include "common/repository/store/lock.h"
#include "common/repository/store/repository.h"
#include "common/stream/progress.h"

namespace holdfast::repository {

struct CopyOptions {
  bool dry_run = false;
  const Lock* lock = nullptr;  // the target's; checked before each write; may be null
};

// The result for one snapshot.
struct SnapshotCopy {
  enum class State : std::uint8_t { kCopied, kPresent, kFailed, kLeft };
  SnapshotInfo snapshot;
  State state = State::kLeft;                 // kLeft: skipped after an error, or in a dry run
  std::optional<Id> copy = std::nullopt;      // its id in the target repository
  std::optional<Error> error = std::nullopt;  // why it failed: some of its data cannot be read
};

struct CopyReport {
  std::vector<SnapshotCopy> snapshots;  // oldest first
  std::uint64_t data_blobs = 0;         // that the target did not have
  std::uint64_t tree_blobs = 0;
  std::uint64_t bytes_read = 0;    // sealed bytes of data blobs
  std::uint64_t bytes_added = 0;   // before compression; 0 in a dry run
  std::uint64_t bytes_stored = 0;  // growth of the target; 0 in a dry run
  std::optional<Error> error;      // why the copy ended early
};

// Whether two snapshots, in any repositories, have the same tree and metadata. Ignores parent,
// original, summary and the program that wrote them.
bool IsSameSnapshot(const SnapshotInfo& a, const SnapshotInfo& b);
// The id that copies of a snapshot name as their original.
inline const Id& OriginalOf(const SnapshotInfo& snapshot) {
  return snapshot.original ? *snapshot.original : snapshot.id;
}
// The one of `snapshots` that is `snapshot` or an equal copy (IsSameSnapshot()), or null.
const SnapshotInfo* FindCopy(const std::vector<SnapshotInfo>& snapshots,
                             const SnapshotInfo& snapshot);

// Verifies each blob of the chosen snapshots, and stores in `to` those that it does not have. Then
// writes the snapshots, without parent and with `original`, except those that FindCopy() finds in
// `to`. Works in batches of about 1 GiB; after each, the complete snapshots become visible. If it
// is killed, the next copy finds what was stored. A snapshot fails if some of its data is lost or
// out of reach; the others are copied. Memory: a bit per blob of the index of `from`, about 75
// bytes for each of up to 256 Ki blobs, and what BlobWriter takes. REQUIRES: the indexes were
// loaded after `chosen` and `present`, the snapshots of `to`, were listed; the caller holds locks
// of both repositories.
CopyReport CopySnapshots(Repository& from, Repository& to, std::vector<SnapshotInfo> chosen,
                         const std::vector<SnapshotInfo>& present, const CopyOptions& options,
                         Progress& progress, std::stop_token stop);

}  // namespace holdfast::repository
