// What the operators' program checks of a restore by the kind of the snapshot, before it requests a
// draft.
#pragma once

#include <string>
#include <vector>

#include "common/base/result.h"
#include "common/config/snapshot_kind.h"
#include "controller/cli/restore_target.h"
#include "proto/holdfast/v1/admin.pb.h"

namespace holdfast::cli {

// Whether it is a path inside a snapshot, or names a directory below a restore root: relative, and
// without "." and "..".
bool IsRelativePath(std::string_view path);

// kUnsupported if snapshots of its kind cannot be restored in place.
Result<void> CheckInPlace(const std::vector<config::SnapshotKind>& kinds,
                          const v1::SnapshotView& snapshot);

// The path inside `snapshot` that `typed` means: itself, or the place of the absolute path of a
// file of a node. `node` is the one that restores. kInvalidArgument with the expected forms if it
// is neither, or if the snapshot may have that file of several nodes.
Result<std::string> PathInSnapshot(const std::vector<config::SnapshotKind>& kinds,
                                   const std::string& typed, const v1::SnapshotView& snapshot,
                                   const std::string& node);

// Whether a method of the snapshot's kind takes these options, with these values, in an order.
// Which method it will be, and what the target lets an order give, only the node's policy says.
// Nothing is known of a kind that `kinds` lacks.
Result<void> CheckTargetOptions(const std::vector<config::SnapshotKind>& kinds,
                                const RestoreTarget& target, const v1::SnapshotView& snapshot);

}  // namespace holdfast::cli
