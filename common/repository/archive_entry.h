// What an archive of a snapshot says of each entry beside what tar does, so that the very same tree
// comes back. Format: docs/repository-format.md#archive.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"
#include "common/repository/tree_codec.h"
#include "common/repository/types.h"

namespace holdfast::repository {

// Names at the archive's top: its first file, and what all else lies below.
inline constexpr std::string_view kArchivedMeta = "meta.json";
inline constexpr std::string_view kArchivedTree = "tree/";

// A longer blob is not read from an archive in one piece.
inline constexpr std::uint64_t kArchivedBlobBytesMax = 64U << 20;

// So many blobs of the same size in a row.
struct BlobRun {
  std::uint32_t bytes = 0;
  std::uint64_t count = 0;
  bool operator==(const BlobRun&) const = default;
};

struct ArchivedNode {
  // The node's JSON as it stands in its directory, with null in the place of what it refers to.
  std::string json;
  // Sizes of a file's blobs, in order; unset where the file is to be cut anew.
  std::optional<std::vector<BlobRun>> blobs = std::vector<BlobRun>();
  std::string path;  // of what tar has no entry for; else empty
};

// `json` as VisitTree() gives it. kCorrupt.
Result<std::string> WithoutReferences(std::string_view json);
// The inverse. kCorrupt when the node has no place for them.
Result<std::string> WithContent(std::string_view json, const std::vector<Id>& content);
Result<std::string> WithSubtree(std::string_view json, const Id& subtree);

// The comment of an entry. Sizes that would take too much room are left out.
std::string EncodeArchivedNode(const ArchivedNode& node);
// kUnsupported when the comment is not one of these, kCorrupt when it is a broken one.
Result<ArchivedNode> DecodeArchivedNode(std::string_view comment);

}  // namespace holdfast::repository
