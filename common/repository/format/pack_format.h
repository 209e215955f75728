// The pack file: sealed blobs, then a sealed header that lists them.
// Layout: docs/repository-format.md#pack.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "common/base/bytes.h"
#include "common/base/result.h"
#include "common/crypto/seal.h"
#include "common/repository/format/pack_contents.h"
#include "common/storage/storage.h"

namespace holdfast::repository {

inline constexpr std::size_t kPackHeaderLengthBytes = 4;
// Header and length field together; readers refuse more.
inline constexpr std::size_t kPackHeaderBytesMax = (16U << 20) + kPackHeaderLengthBytes;
inline constexpr std::size_t kPackEntryBytes = 37;
inline constexpr std::size_t kPackEntryCompressedBytes = 41;

// What a blob takes in a pack: its sealed bytes, and its entry in the header.
inline std::uint64_t PackedBytes(const BlobLocation& location) {
  return location.length + (location.compressed ? kPackEntryCompressedBytes : kPackEntryBytes);
}

// The header's plaintext. It has no offsets, because blobs follow each other without gaps.
Bytes EncodePackHeader(std::span<const PackContents::Blob> blobs);
// The inverse; it adds up the offsets from 0. kCorrupt.
Result<std::vector<PackContents::Blob>> DecodePackHeader(ByteView plaintext);

// Reads the header of a stored pack, and nothing else of it. Returns the blobs that the header
// lists. `file_bytes` is the size of the pack's file. kCorrupt if the header cannot be decrypted or
// does not match the size. Other errors come from the storage.
Result<std::vector<PackContents::Blob>> LoadPackHeader(Storage& storage, crypto::Sealer& sealer,
                                                       const Id& pack, std::uint64_t file_bytes);

// The size of the file of a pack with these blobs.
std::uint64_t ExpectedPackSize(std::span<const PackContents::Blob> blobs);

}  // namespace holdfast::repository
