// Copies snapshots to another repository.
#pragma once

#include <cstdint>
#include <optional>
#include <stop_token>
#include <vector>

#include "common/base/result.h"
#include "common/repository/lock.h"
#include "common/repository/repository.h"
#include "common/repository/snapshot_reader.h"
#include "common/stream/progress.h"

namespace holdfast::repository {

struct CopyOptions {
  bool dry_run = false;
  const Lock* lock = nullptr;  // of the other repository; asked before each write. May be null
};

// What became of one snapshot.
struct SnapshotCopy {
  enum class State : std::uint8_t { kCopied, kPresent, kFailed, kLeft };
  SnapshotInfo snapshot;
  State state = State::kLeft;                 // left: an error came first, or it is a dry run
  std::optional<Id> copy = std::nullopt;      // its id in the other repository
  std::optional<Error> error = std::nullopt;  // why it failed: something of it is lost
};

struct CopyReport {
  std::vector<SnapshotCopy> snapshots;  // oldest first
  std::uint64_t data_blobs = 0;         // that the other repository did not have
  std::uint64_t tree_blobs = 0;
  std::uint64_t bytes_read = 0;    // of data, as it lies in packs
  std::uint64_t bytes_added = 0;   // before compression; not of a dry run
  std::uint64_t bytes_stored = 0;  // what the other repository grew by; not of a dry run
  std::optional<Error> error;      // why it ended before all were looked at
};

// Whether two snapshots say the same of the same tree, whichever repositories they are in and
// whichever programs copied them there: all but parent, original and the summary.
bool IsSameSnapshot(const SnapshotInfo& a, const SnapshotInfo& b);
// What the copies of a snapshot name as their original.
inline const Id& OriginalOf(const SnapshotInfo& snapshot) {
  return snapshot.original ? *snapshot.original : snapshot.id;
}
// The one of `snapshots` that is `snapshot` or a copy of it that says the same; null without one.
const SnapshotInfo* FindCopy(const std::vector<SnapshotInfo>& snapshots,
                             const SnapshotInfo& snapshot);

// Each blob of the chosen snapshots is opened, compared with its id, and stored in `to`, where it
// is not there yet; then the snapshots are written, without parent and with `original`. One that
// FindCopy() finds in `to` is left alone. It goes on in stretches of about 1 GiB, at the end of
// which the snapshots that are complete become visible; killed anywhere, what was stored is found
// again by the next copy. A snapshot of which something is lost or not given by the storage fails,
// and the others are copied. Memory: a bit per blob of the index of `from`, about 75 bytes for each
// of up to 256 Ki blobs, and what BlobWriter takes. REQUIRES: the indexes were loaded after
// `chosen` and `present`, which are the snapshots of `to`, were listed; locks of both are held.
CopyReport CopySnapshots(Repository& from, Repository& to, std::vector<SnapshotInfo> chosen,
                         const std::vector<SnapshotInfo>& present, const CopyOptions& options,
                         Progress& progress, std::stop_token stop);

}  // namespace holdfast::repository
