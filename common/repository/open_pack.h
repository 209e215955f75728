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
#include "common/repository/lock.h"
#include "common/repository/repository.h"

namespace holdfast::repository {

// The sealed blobs of a pack, unless a larger one has it to itself.
inline constexpr std::size_t kPackBytesTarget = 16U << 20;
// With room for the header of as many blobs as a pack has.
inline constexpr std::size_t kPackBytesReserved = kPackBytesTarget + (3U << 20);

// One thread at a time. Keeps its memory when it is cleared.
class OpenPack {
 public:
  bool empty() const { return blobs_.empty(); }
  // Whether a blob of so many sealed bytes may go into it; if not, it is to be stored first.
  bool HasRoom(std::size_t sealed_bytes) const;
  // Whether both together are still one pack.
  bool Fits(const OpenPack& other) const;
  ByteView bytes() const { return bytes_.view(); }
  // Bytes of memory that it keeps.
  std::size_t capacity() const { return bytes_.capacity(); }

  // Seals `payload` into the pack; the view is valid until the next call.
  ByteView Append(crypto::Sealer& sealer, ByteView payload, PackContents::Blob blob);
  // The same for bytes that are sealed with the repository's key already.
  void AppendSealed(ByteView sealed, PackContents::Blob blob);
  // The same without a copy, for a blob that has the pack to itself. REQUIRES: empty().
  ByteView TakeSealed(RawBuffer sealed, PackContents::Blob blob);
  // Takes over what `other` holds and leaves it empty.
  void Absorb(OpenPack& other);
  // Adds the header; nothing can be appended any more. The pack's name and what lies in it.
  PackContents Close(crypto::Sealer& sealer);
  void Clear();

 private:
  std::span<std::uint8_t> Extend(std::size_t length);
  RawBuffer bytes_;
  std::vector<PackContents::Blob> blobs_;
  crypto::Sha256 hash_;  // of bytes_, taken while they are still in the processor's cache
};

// Closes the pack and puts it into the repository's storage, while `lock` (may be null) is known to
// be held. The header goes last, and the name is the hash of it all: a torn file has neither. The
// bytes stay until the caller clears them.
Result<PackContents> StorePack(Repository& repository, const Lock* lock, crypto::Sealer& sealer,
                               OpenPack& pack);

}  // namespace holdfast::repository
