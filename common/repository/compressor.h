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
#include "common/repository/types.h"

namespace holdfast::repository {

// Levels of zstd: fast -1, auto 1, max 9. Level 1 packs logs and databases within a few percent of
// level 3 at twice the speed. Keeps its context; one thread at a time.
class Compressor {
 public:
  explicit Compressor(Compression compression);
  Compressor(Compressor&& other) noexcept;
  ~Compressor();

  // A frame of `plaintext`, valid until the next call. nullopt: the blob is to be stored as it is,
  // because it would not shrink or compression is off. Trees are always compressed: restic's prune
  // rewrites packs that hold a tree which is not.
  std::optional<ByteView> CompressBlob(BlobType type, ByteView plaintext);
  // A frame, whatever its size; valid until the next call.
  ByteView Compress(ByteView plaintext);

 private:
  struct State;
  bool SeemsIncompressible(ByteView plaintext);
  std::unique_ptr<State> state_;
};

// One frame of a plaintext that comes in pieces and is not in memory as a whole.
class FrameBuilder {
 public:
  // `room`: so many bytes before the frame are anything, for who needs them.
  FrameBuilder(Compression compression, std::size_t room);
  FrameBuilder(FrameBuilder&& other) noexcept;
  FrameBuilder& operator=(FrameBuilder&& other) noexcept;
  ~FrameBuilder();

  void Add(ByteView piece);
  // The room and the frame. Nothing can be added any more.
  RawBuffer Finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// Keeps its context; one thread at a time.
class Decompressor {
 public:
  Decompressor();
  Decompressor(Decompressor&& other) noexcept;
  ~Decompressor();

  // kCorrupt unless the frame's plaintext has exactly the size of `plaintext`.
  Result<void> DecompressInto(ByteView frame, std::span<std::uint8_t> plaintext);
  // Whether a frame that comes in pieces is one of `plaintext`: Begin, each piece, End.
  void BeginComparison(ByteView plaintext);
  // False: it is not.
  bool Compare(ByteView piece);
  bool EndComparison() const;
  // The plaintext of a frame, in pieces, of a frame that comes in pieces: Begin, then each piece
  // with who wants the plaintext. kCorrupt, or the visitor's error.
  void BeginStream();
  Result<void> Stream(ByteView piece, const std::function<Result<void>(ByteView)>& visit);
  // Whether the frame has ended where its pieces have.
  bool is_at_end() const;
  // For frames whose plaintext's size nobody knows; kCorrupt beyond `plain_max`.
  Result<Bytes> DecompressUpTo(ByteView frame, std::size_t plain_max);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace holdfast::repository
