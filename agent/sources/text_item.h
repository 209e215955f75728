// Documents: into a backup, and out of a snapshot again.
#pragma once

#include <cstddef>
#include <string>

#include "common/base/clock.h"
#include "common/base/result.h"
#include "common/stream/item.h"
#include "common/stream/snapshot_view.h"

namespace holdfast {

// Of a document that the agent makes itself: this process's own, readable by nobody else, made at
// `time`. The size is for the caller to set.
Attributes DocumentAttributes(WallTime time);

// A file whose content is in memory; its size is the text's.
Item TextItem(std::string path, std::string text, const Attributes& attributes);

// All of a file. kCorrupt where it has more than `bytes_max`: no such document is that large, and a
// snapshot may be anybody's. Errors name the path.
Result<std::string> ReadText(SnapshotView& snapshot, const std::string& path,
                             std::size_t bytes_max);
Result<std::string> ReadText(ByteReader& reader, std::string_view path, std::size_t bytes_max);

}  // namespace holdfast
