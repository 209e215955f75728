// zstd for blobs and small files.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>

#include "common/base/bytes.h"
#include "common/base/raw_buffer.h"
#include "common/base/result.h"
#include "common/repository/format/types.h"

namespace holdfast::repository {

// Levels of zstd: fast -1, auto 1, max 9. Level 1 compresses logs and databases within a few
// percent of level 3, at twice the speed. Keeps its context. Used by one thread at a time.
class Compressor {
 public:
  explicit Compressor(Compression compression);
  Compressor(Compressor&& other) noexcept;
  ~Compressor();

  // Returns a frame of `plaintext`, valid until the next call. nullopt: store the blob
  // uncompressed, because it would not shrink or compression is off. Trees are always compressed,
  // because restic's prune rewrites packs with uncompressed trees.
  std::optional<ByteView> CompressBlob(BlobType type, ByteView plaintext);
  // Returns a frame, whatever its size; valid until the next call.
  ByteView Compress(ByteView plaintext);

 private:
  struct State;
  bool SeemsIncompressible(ByteView plaintext);
  std::unique_ptr<State> state_;
};

// Builds one frame from a plaintext that arrives in pieces and is never in memory as a whole.
class FrameBuilder {
 public:
  // Leaves `room` uninitialised bytes before the frame, for the caller.
  FrameBuilder(Compression compression, std::size_t room);
  FrameBuilder(FrameBuilder&& other) noexcept;
  FrameBuilder& operator=(FrameBuilder&& other) noexcept;
  ~FrameBuilder();

  void Add(ByteView piece);
  // Returns the room and the frame. Nothing can be added afterwards.
  RawBuffer Finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// Keeps its context. Used by one thread at a time.
class Decompressor {
 public:
  Decompressor();
  Decompressor(Decompressor&& other) noexcept;
  ~Decompressor();

  // kCorrupt unless the frame's plaintext has exactly the size of `plaintext`.
  Result<void> DecompressInto(ByteView frame, std::span<std::uint8_t> plaintext);
  // Checks whether a frame that arrives in pieces is one of `plaintext`: call BeginComparison(),
  // Compare() for each piece, then EndComparison().
  void BeginComparison(ByteView plaintext);
  // False if they already differ.
  bool Compare(ByteView piece);
  bool EndComparison() const;
  // Decompresses a frame that arrives in pieces: call BeginStream(), then Stream() for each piece,
  // which passes the plaintext to `visit`, also in pieces. Errors: kCorrupt, or the visitor's.
  void BeginStream();
  Result<void> Stream(ByteView piece, const std::function<Result<void>(ByteView)>& visit);
  // Whether the frame is complete.
  bool is_at_end() const;
  // For frames of unknown plaintext size. kCorrupt if it exceeds `plain_max`.
  Result<Bytes> DecompressUpTo(ByteView frame, std::size_t plain_max);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace holdfast::repository
