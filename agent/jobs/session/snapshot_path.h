// Resolves paths in snapshots that users type.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "common/base/result.h"
#include "common/stream/snapshot_view.h"

namespace holdfast::jobs {

// "/data/etc/" -> "data/etc".
std::string TrimSlashes(std::string_view path);

// Returns the path in the snapshot for `typed`, without leading and trailing slashes. `typed` is an
// absolute path of a node's file, e.g. "/etc/hosts" for "data/etc/hosts", or a path from the
// snapshot's top, whichever exists. If neither does, returns where the node's file would be, unless
// the snapshot has files of several nodes or its top has the first component of `typed`. `root` is
// SourceKind::original_root of the snapshot's kind, or empty. kInvalidArgument, with the
// candidates, if several nodes have a file with this absolute path.
Result<std::string> ResolvePath(SnapshotView& view, std::string_view root, std::string_view typed);

// Returns the first `count` directories from the top towards the restored files, which `--strip`
// removes. Follows `path`, then directories that are the only entry of their parent.
// kInvalidArgument if an entry on the way is not a directory, or if a directory below `path` has
// several entries.
Result<std::string> StrippedPrefix(SnapshotView& view, const std::string& path,
                                   std::uint32_t count);

}  // namespace holdfast::jobs
