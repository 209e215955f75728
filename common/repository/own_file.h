// Files that Holdfast adds to what a source gave: manifest.json, part.json.
#pragma once

#include <string_view>

#include "common/base/bytes.h"
#include "common/base/clock.h"
#include "common/base/result.h"
#include "common/repository/blob_writer.h"
#include "common/repository/tree_codec.h"

namespace holdfast::repository {

// Attributes of what no file system ever had.
Attributes OwnAttributes(NodeType type, std::uint32_t mode, WallTime time);

// The file's node, its content stored. Readable by its owner alone: it names hosts, addresses and
// files, and whoever may read a backup's inside is who restores it.
Result<TreeNode> SaveOwnFile(BlobWriter& writer, std::string_view name, ByteView content,
                             WallTime time);

}  // namespace holdfast::repository
