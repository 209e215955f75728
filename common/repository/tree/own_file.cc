#include "common/repository/tree/own_file.h"

#include <algorithm>

namespace holdfast::repository {

Attributes OwnAttributes(NodeType type, std::uint32_t mode, WallTime time) {
  Attributes attributes;
  attributes.type = type;
  attributes.mode = mode;
  attributes.mtime = attributes.atime = attributes.ctime = ToUnixTime(time);
  return attributes;
}

Result<TreeNode> SaveOwnFile(BlobWriter& writer, std::string_view name, ByteView content,
                             WallTime time) {
  constexpr std::size_t kPieceBytes = 1U << 20;
  TreeNode node;
  node.name = name;
  node.attributes = OwnAttributes(NodeType::kFile, 0600, time);
  node.attributes.size = content.size();
  for (ByteView rest = content; !rest.empty();) {
    ByteView piece = rest.first(std::min(kPieceBytes, rest.size()));
    HF_ASSIGN(Id id, writer.Save(BlobType::kData, piece));
    node.content.push_back(id);
    rest = rest.subspan(piece.size());
  }
  return node;
}

}  // namespace holdfast::repository
