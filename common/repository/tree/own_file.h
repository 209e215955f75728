// Files that Holdfast adds to a source's content: manifest.json, part.json.
#pragma once

#include <string_view>

#include "common/base/bytes.h"
#include "common/base/clock.h"
#include "common/base/result.h"
#include "common/repository/format/tree_codec.h"
#include "common/repository/store/blob_writer.h"

namespace holdfast::repository {

// Attributes of a file or directory that exists only in the repository.
Attributes OwnAttributes(NodeType type, std::uint32_t mode, WallTime time);

// Stores the file's content and returns its node. Only the owner may read the file, because it
// names hosts, addresses and files.
Result<TreeNode> SaveOwnFile(BlobWriter& writer, std::string_view name, ByteView content,
                             WallTime time);

}  // namespace holdfast::repository
