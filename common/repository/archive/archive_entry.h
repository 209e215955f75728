// What an archive stores for each entry in addition to tar's own fields, so that an import
// recreates exactly the same tree. Format: docs/repository-format.md#archive.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"
#include "common/repository/format/tree_codec.h"
#include "common/repository/format/types.h"

namespace holdfast::repository {

// Names at the archive's top: its first file, and the directory that contains everything else.
inline constexpr std::string_view kArchivedMeta = "meta.json";
inline constexpr std::string_view kArchivedTree = "tree/";

// A file with a larger blob is archived without sizes.
inline constexpr std::uint64_t kArchivedBlobBytesMax = 64U << 20;

// Consecutive blobs of the same size.
struct BlobRun {
  std::uint32_t bytes = 0;
  std::uint64_t count = 0;
  bool operator==(const BlobRun&) const = default;
};

struct ArchivedNode {
  // The node's JSON as in its directory, but with null for its content and subtree.
  std::string json;
  // Sizes of a file's blobs, in order. Unset: an import cuts the file again.
  std::optional<std::vector<BlobRun>> blobs = std::vector<BlobRun>();
  std::string path;  // of a node whose type tar does not have; otherwise empty
};

// Replaces content and subtree of a node, as passed by VisitTree(), with null. kCorrupt.
Result<std::string> WithoutReferences(std::string_view json);
// The inverse. kCorrupt if the node has no such field.
Result<std::string> WithContent(std::string_view json, const std::vector<Id>& content);
Result<std::string> WithSubtree(std::string_view json, const Id& subtree);

// The comment of an entry. Sizes that would take too much room are left out.
std::string EncodeArchivedNode(const ArchivedNode& node);
// kUnsupported if export did not write the comment; kCorrupt if it is malformed.
Result<ArchivedNode> DecodeArchivedNode(std::string_view comment);

}  // namespace holdfast::repository
