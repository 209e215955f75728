// The pack file: sealed blobs, then a sealed header that lists them.
// Layout: docs/repository-format.md#pack.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "common/base/bytes.h"
#include "common/base/result.h"
#include "common/crypto/seal.h"
#include "common/repository/repository.h"

namespace holdfast::repository {

inline constexpr std::size_t kPackHeaderLengthBytes = 4;
// Header and its length field together; readers refuse more.
inline constexpr std::size_t kPackHeaderBytesMax = (16U << 20) + kPackHeaderLengthBytes;
inline constexpr std::size_t kPackEntryBytes = 37;
inline constexpr std::size_t kPackEntryCompressedBytes = 41;

// The header's plaintext; offsets are not in it, because blobs follow each other without gaps.
Bytes EncodePackHeader(std::span<const PackContents::Blob> blobs);
// The inverse, with the offsets counted up from 0. kCorrupt.
Result<std::vector<PackContents::Blob>> DecodePackHeader(ByteView plaintext);

// The blobs of a whole pack as its own header lists them. kCorrupt when the header does not open or
// does not fit the file's size.
Result<std::vector<PackContents::Blob>> ReadPackHeader(crypto::Sealer& sealer, ByteView pack);

// The same for a pack in the storage, of which only the header is read. `file_bytes` is the file's
// size. kCorrupt likewise; else errors are the storage's.
Result<std::vector<PackContents::Blob>> LoadPackHeader(Storage& storage, crypto::Sealer& sealer,
                                                       const Id& pack, std::uint64_t file_bytes);

// How large the file of a pack with these blobs must be.
std::uint64_t ExpectedPackSize(std::span<const PackContents::Blob> blobs);

}  // namespace holdfast::repository
