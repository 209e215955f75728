// A pack that is being filled, in memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "common/base/bytes.h"
#include "common/base/raw_buffer.h"
#include "common/crypto/seal.h"
#include "common/crypto/sha256.h"
#include "common/repository/format/pack_contents.h"
#include "common/repository/store/lock.h"
#include "common/storage/storage.h"

namespace holdfast::repository {

// Limit for the sealed blobs of a pack. A larger blob has a pack to itself.
inline constexpr std::size_t kPackBytesTarget = 16U << 20;
// Includes room for the header of a full pack.
inline constexpr std::size_t kPackBytesReserved = kPackBytesTarget + (3U << 20);

// Used by one thread at a time.
class OpenPack {
 public:
  bool empty() const { return blobs_.empty(); }
  // Whether a blob of `sealed_bytes` fits. If not, the pack must be stored first.
  bool HasRoom(std::size_t sealed_bytes) const;
  // Whether both packs together fit into one.
  bool Fits(const OpenPack& other) const;
  ByteView bytes() const { return bytes_.view(); }
  // Bytes of allocated memory.
  std::size_t capacity() const { return bytes_.capacity(); }

  // Seals `payload` into the pack and returns the result, which is valid until the next call.
  ByteView Append(crypto::Sealer& sealer, ByteView payload, PackContents::Blob blob);
  // The same for bytes that are already sealed with the repository's key.
  void AppendSealed(ByteView sealed, PackContents::Blob blob);
  // The same without a copy, for a blob that has the pack to itself. REQUIRES: empty().
  ByteView TakeSealed(RawBuffer sealed, PackContents::Blob blob);
  // Moves the blobs of `other` into this pack.
  void Absorb(OpenPack& other);
  // Adds the header, and returns the pack's id and contents. Nothing can be appended afterwards.
  PackContents Close(crypto::Sealer& sealer);
  void Clear();

 private:
  std::span<std::uint8_t> Extend(std::size_t length);
  RawBuffer bytes_;
  std::vector<PackContents::Blob> blobs_;
  crypto::Sha256 hash_;  // of bytes_, updated while they are still in the processor's cache
};

// Closes the pack and writes it to the storage while `lock` (may be null) is held. A torn file is
// detected: the header is at the end, and the name is the hash of the whole file. The pack keeps
// its bytes until the caller clears it.
Result<PackContents> StorePack(Storage& storage, const Lock* lock, crypto::Sealer& sealer,
                               OpenPack& pack);

}  // namespace holdfast::repository
