// What packs contain, and where a blob is stored.
#pragma once

#include <cstdint>
#include <vector>

#include "common/repository/format/types.h"

namespace holdfast::repository {

// Where a blob is stored.
struct BlobLocation {
  Id pack;
  std::uint32_t offset = 0;        // bytes from the pack's start
  std::uint32_t length = 0;        // sealed bytes
  std::uint32_t plain_length = 0;  // bytes of the plaintext
  bool compressed = false;
};

// One pack as listed in an index.
struct PackContents {
  struct Blob {
    Id id;
    BlobType type = BlobType::kData;
    std::uint32_t offset = 0;
    std::uint32_t length = 0;        // sealed bytes
    std::uint32_t plain_length = 0;  // bytes of the plaintext
    bool compressed = false;
    bool operator==(const Blob&) const = default;
  };
  Id id;
  std::vector<Blob> blobs;
};

// Converts a blob's location to its entry in a pack, and back.
inline PackContents::Blob EntryOf(BlobType type, const Id& id, const BlobLocation& location) {
  return {.id = id,
          .type = type,
          .offset = location.offset,
          .length = location.length,
          .plain_length = location.plain_length,
          .compressed = location.compressed};
}
inline BlobLocation LocationOf(const Id& pack, const PackContents::Blob& blob) {
  return {pack, blob.offset, blob.length, blob.plain_length, blob.compressed};
}

}  // namespace holdfast::repository
