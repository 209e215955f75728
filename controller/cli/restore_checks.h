// Checks a restore by the kind of its snapshot, before a draft is requested.
#pragma once

#include <string>
#include <vector>

#include "common/base/result.h"
#include "common/config/snapshot_kind.h"
#include "controller/cli/restore_target.h"
#include "proto/holdfast/v1/admin.pb.h"

namespace holdfast::cli {

// kUnsupported if snapshots of its kind cannot be restored in place.
Result<void> CheckInPlace(const std::vector<config::SnapshotKind>& kinds,
                          const v1::SnapshotView& snapshot);

// The path inside `snapshot` that `typed` means: itself, or the place of a node's file with this
// absolute path. `node` is the one that restores. kInvalidArgument with the expected forms if it is
// not one of these, or if the snapshot may have this file of several nodes.
Result<std::string> PathInSnapshot(const std::vector<config::SnapshotKind>& kinds,
                                   const std::string& typed, const v1::SnapshotView& snapshot,
                                   const std::string& node);

// Whether a restore method of the snapshot's kind accepts these options and values in an order.
// Only the node's policy knows which method it will be, and what orders may set. Accepts everything
// for a kind that is not in `kinds`.
Result<void> CheckTargetOptions(const std::vector<config::SnapshotKind>& kinds,
                                const RestoreTarget& target, const v1::SnapshotView& snapshot);

}  // namespace holdfast::cli
