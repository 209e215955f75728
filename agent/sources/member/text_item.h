// Small documents: writing them to a backup, and reading them from a snapshot.
#pragma once

#include <cstddef>
#include <string>

#include "common/base/clock.h"
#include "common/base/result.h"
#include "common/stream/item.h"
#include "common/stream/snapshot_view.h"

namespace holdfast {

// Attributes of a document that the agent creates: mode 0600, owned by this process, all times set
// to `time`. The caller sets the size.
Attributes DocumentAttributes(WallTime time);

Item TextItem(std::string path, std::string text, const Attributes& attributes);

// Reads a whole file. kCorrupt if it is larger than `bytes_max`: no document is that large, and
// snapshots are untrusted input. Errors name the path.
Result<std::string> ReadText(SnapshotView& snapshot, const std::string& path,
                             std::size_t bytes_max);
Result<std::string> ReadText(ByteReader& reader, std::string_view path, std::size_t bytes_max);

}  // namespace holdfast
