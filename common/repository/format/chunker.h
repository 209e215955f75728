// Cuts a file's content into blobs. Rationale: docs/decisions/0004-chunker.md.
#pragma once

#include <array>
#include <cstdint>
#include <memory>

#include "common/base/bytes.h"

namespace holdfast::repository {

inline constexpr std::size_t kChunkBytesMin = 512U << 10;
inline constexpr std::size_t kChunkBytesNormal = 1U << 20;  // borders are likelier after this
inline constexpr std::size_t kChunkBytesMax = 8U << 20;

// Finds borders in a stream that arrives in pieces. The borders do not depend on the pieces. One
// object handles one stream at a time. When the stream ends, the bytes after the last border are
// the last chunk.
class Chunker {
 public:
  virtual ~Chunker() = default;
  struct Step {
    std::size_t used = 0;    // bytes of the piece that belong to the current chunk
    bool is_border = false;  // the chunk ends there; the rest of the piece begins the next one
  };
  // Takes bytes up to the next border, or all of them. REQUIRES: the next call begins with the
  // first unused byte.
  virtual Step Feed(ByteView bytes) = 0;
  // Discards the stream; the next byte begins another one.
  virtual void Reset() = 0;
};

// 256 secret numbers, one per byte value, derived from Keys::chunker_key(). As they are
// secret, the sizes of chunks do not reveal whether they have some known content.
using GearTable = std::array<std::uint64_t, 256>;
GearTable MakeGearTable(const std::array<std::uint8_t, 32>& chunker_key);

// Borders depend on content: chunks have 512 KiB to 8 MiB, about 1.25 MiB on average. `table` must
// outlive the chunker.
std::unique_ptr<Chunker> MakeContentChunker(const GearTable& table);

// Borders every `block_bytes`. REQUIRES: 0 < block_bytes <= kChunkBytesMax.
std::unique_ptr<Chunker> MakeFixedChunker(std::size_t block_bytes);

}  // namespace holdfast::repository
