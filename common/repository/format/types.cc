#include "common/repository/format/types.h"

#include <algorithm>

#include "common/base/format.h"

namespace holdfast::repository {

Result<Id> ParseId(std::string_view hex) {
  Id id;
  Result<Bytes> bytes = HexDecode(hex);
  if (!bytes || bytes->size() != id.bytes.size()) {
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("{} is not an id of 64 hexadecimal digits", Quote(hex.substr(0, 100))));
  }
  std::ranges::copy(*bytes, id.bytes.begin());
  return id;
}

std::string_view BlobTypeName(BlobType type) { return type == BlobType::kTree ? "tree" : "data"; }

}  // namespace holdfast::repository
