// Where a file's content is cut into blobs. Why so: docs/decisions/0004-chunker.md.
#pragma once

#include <array>
#include <cstdint>
#include <memory>

#include "common/base/bytes.h"

namespace holdfast::repository {

inline constexpr std::size_t kChunkBytesMin = 512U << 10;
inline constexpr std::size_t kChunkBytesNormal = 1U << 20;  // borders are likelier from here on
inline constexpr std::size_t kChunkBytesMax = 8U << 20;

// Finds borders in a stream that is fed in pieces; where they lie does not depend on the pieces.
// One object serves one stream at a time. What follows the last border when the stream ends is the
// last chunk.
class Chunker {
 public:
  virtual ~Chunker() = default;
  struct Step {
    std::size_t used = 0;    // bytes of the piece that belong to the current chunk
    bool is_border = false;  // the chunk ends there, and the rest of the piece begins the next one
  };
  // Takes bytes up to the next border, or all of them. REQUIRES: the next call begins with the
  // first byte that was not used.
  virtual Step Feed(ByteView bytes) = 0;
  // Forgets the stream; the next byte begins another one.
  virtual void Reset() = 0;
};

// 256 secret numbers that weigh each byte; made of the repository's chunker_key(), so that sizes of
// chunks tell a stranger nothing about known contents.
using GearTable = std::array<std::uint64_t, 256>;
GearTable MakeGearTable(const std::array<std::uint8_t, 32>& chunker_key);

// Borders that depend on content: chunks of 512 KiB to 8 MiB, about 1.25 MiB on average. The table
// must outlive the chunker.
std::unique_ptr<Chunker> MakeContentChunker(const GearTable& table);

// Borders every `block_bytes`. REQUIRES: 0 < block_bytes <= kChunkBytesMax.
std::unique_ptr<Chunker> MakeFixedChunker(std::size_t block_bytes);

}  // namespace holdfast::repository
