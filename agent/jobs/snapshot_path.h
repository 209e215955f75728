// Paths of a snapshot as people type them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "common/base/result.h"
#include "common/stream/snapshot_view.h"

namespace holdfast::jobs {

// "/data/etc/" -> "data/etc".
std::string TrimSlashes(std::string_view path);

// The path in the snapshot that `typed` means, without slashes at its ends: the absolute path of a
// file of a node, e.g. "/etc/hosts" for "data/etc/hosts", or a path from the top of the snapshot,
// whichever exists. If neither does, the path where the file of the node would be, unless the
// snapshot has files of several nodes or its top has the first component of `typed`. `root` is
// SourceKind::original_root of the snapshot's kind, or empty. kInvalidArgument, with the paths to
// choose from, if files of several nodes have this absolute path.
Result<std::string> ResolvePath(SnapshotView& view, std::string_view root, std::string_view typed);

// The first `count` directories of the way from the top to what is restored, which `--strip` leaves
// out: along `path`, then through directories that are alone in theirs. kInvalidArgument if an
// entry on the way is not a directory, or a directory below `path` has several entries.
Result<std::string> StrippedPrefix(SnapshotView& view, const std::string& path,
                                   std::uint32_t count);

}  // namespace holdfast::jobs
