#include "common/repository/format/compressor.h"

#include <zstd.h>

#include <algorithm>
#include <cstring>

#include "common/base/deleter.h"
#include "common/base/format.h"
#include "common/base/raw_buffer.h"

namespace holdfast::repository {
namespace {

int LevelOf(Compression compression) {
  switch (compression) {
    case Compression::kFast:
      return -1;
    case Compression::kMax:
      return 9;
    case Compression::kOff:  // still used for trees and indexes
    case Compression::kAuto:
      return 1;
  }
  return 1;
}

constexpr std::size_t kSampleBytes = 64U << 10;

std::unexpected<Error> BadFrame(std::size_t code) {
  return Fail(ErrorCode::kCorrupt, fmt::format("bad zstd frame: {}", ZSTD_getErrorName(code)));
}

}  // namespace

struct Compressor::State {
  Compression compression;
  std::unique_ptr<ZSTD_CCtx, Deleter<ZSTD_freeCCtx>> context;
  RawBuffer frame;  // the last result
};

Compressor::Compressor(Compression compression) : state_(std::make_unique<State>()) {
  state_->compression = compression;
  state_->context.reset(ZSTD_createCCtx());
  HF_CHECK(state_->context != nullptr);
  HF_CHECK(!ZSTD_isError(ZSTD_CCtx_setParameter(state_->context.get(), ZSTD_c_compressionLevel,
                                                LevelOf(compression))));
}
Compressor::Compressor(Compressor&& other) noexcept = default;
Compressor::~Compressor() = default;

ByteView Compressor::Compress(ByteView plaintext) {
  RawBuffer& frame = state_->frame;
  frame.Clear();
  const std::span<std::uint8_t> room = frame.Extend(ZSTD_compressBound(plaintext.size()));
  const std::size_t size = ZSTD_compress2(state_->context.get(), room.data(), room.size(),
                                          plaintext.data(), plaintext.size());
  HF_CHECK(!ZSTD_isError(size));  // with enough room, it can fail only for lack of memory
  frame.Shrink(size);
  return frame.view();
}

// Takes two samples, because the start of a file may compress unlike the rest.
bool Compressor::SeemsIncompressible(ByteView plaintext) {
  if (plaintext.size() < 4 * kSampleBytes) return false;
  for (std::size_t offset : {std::size_t{0}, plaintext.size() / 2}) {
    const ByteView frame = Compress(plaintext.subspan(offset, kSampleBytes));
    if (frame.size() + kSampleBytes / 20 < kSampleBytes) return false;
  }
  return true;
}

std::optional<ByteView> Compressor::CompressBlob(BlobType type, ByteView plaintext) {
  const bool is_tree = type == BlobType::kTree;
  if (state_->compression == Compression::kOff && !is_tree) return std::nullopt;
  if (!is_tree && SeemsIncompressible(plaintext)) return std::nullopt;
  const ByteView frame = Compress(plaintext);
  if (!is_tree && frame.size() >= plaintext.size()) return std::nullopt;
  return frame;
}

struct FrameBuilder::State {
  std::unique_ptr<ZSTD_CCtx, Deleter<ZSTD_freeCCtx>> context;
  RawBuffer frame;

  void Compress(ByteView piece, ZSTD_EndDirective directive) {
    ZSTD_inBuffer input{piece.data(), piece.size(), 0};
    for (;;) {
      const std::size_t before = frame.size();
      const std::span<std::uint8_t> room = frame.Extend(ZSTD_CStreamOutSize());
      ZSTD_outBuffer output{room.data(), room.size(), 0};
      const std::size_t left = ZSTD_compressStream2(context.get(), &output, &input, directive);
      HF_CHECK(!ZSTD_isError(left));  // it can fail only for lack of memory
      frame.Shrink(before + output.pos);
      const bool is_done = directive == ZSTD_e_end ? left == 0 : input.pos == input.size;
      if (is_done) return;
    }
  }
};

FrameBuilder::FrameBuilder(Compression compression, std::size_t room)
    : state_(std::make_unique<State>()) {
  (void)state_->frame.Extend(room);
  state_->context.reset(ZSTD_createCCtx());
  HF_CHECK(state_->context != nullptr);
  HF_CHECK(!ZSTD_isError(ZSTD_CCtx_setParameter(state_->context.get(), ZSTD_c_compressionLevel,
                                                LevelOf(compression))));
}
FrameBuilder::FrameBuilder(FrameBuilder&& other) noexcept = default;
FrameBuilder& FrameBuilder::operator=(FrameBuilder&& other) noexcept = default;
FrameBuilder::~FrameBuilder() = default;

void FrameBuilder::Add(ByteView piece) { state_->Compress(piece, ZSTD_e_continue); }

RawBuffer FrameBuilder::Finish() {
  state_->Compress({}, ZSTD_e_end);
  return std::move(state_->frame);
}

struct Decompressor::State {
  std::unique_ptr<ZSTD_DCtx, Deleter<ZSTD_freeDCtx>> context;
  // For comparisons and streams.
  ByteView expected;  // not compared yet
  bool is_at_end = false;
  Bytes piece;
};

Decompressor::Decompressor() : state_(std::make_unique<State>()) {
  state_->context.reset(ZSTD_createDCtx());
  HF_CHECK(state_->context != nullptr);
}
Decompressor::Decompressor(Decompressor&& other) noexcept = default;
Decompressor::~Decompressor() = default;

Result<void> Decompressor::DecompressInto(ByteView frame, std::span<std::uint8_t> plaintext) {
  const unsigned long long declared = ZSTD_getFrameContentSize(frame.data(), frame.size());
  if (declared == ZSTD_CONTENTSIZE_ERROR) return Fail(ErrorCode::kCorrupt, "not a zstd frame");
  const auto wrong_size = [&](unsigned long long size) {
    return Fail(ErrorCode::kCorrupt,
                fmt::format("{} compressed bytes, expected {}", size, plaintext.size()));
  };
  if (declared != ZSTD_CONTENTSIZE_UNKNOWN && declared != plaintext.size()) {
    return wrong_size(declared);
  }
  const std::size_t size = ZSTD_decompressDCtx(state_->context.get(), plaintext.data(),
                                               plaintext.size(), frame.data(), frame.size());
  if (ZSTD_isError(size)) return BadFrame(size);
  if (size != plaintext.size()) return wrong_size(size);
  return {};
}

void Decompressor::BeginComparison(ByteView plaintext) {
  (void)ZSTD_DCtx_reset(state_->context.get(), ZSTD_reset_session_only);
  state_->expected = plaintext;
  state_->is_at_end = false;
  state_->piece.resize(ZSTD_DStreamOutSize());
}

bool Decompressor::Compare(ByteView piece) {
  ZSTD_inBuffer input{piece.data(), piece.size(), 0};
  std::uint8_t* const memory = state_->piece.data();
  for (;;) {
    ZSTD_outBuffer output{memory, state_->piece.size(), 0};
    const std::size_t rest = ZSTD_decompressStream(state_->context.get(), &output, &input);
    if (ZSTD_isError(rest) || output.pos > state_->expected.size()) return false;
    if (std::memcmp(memory, state_->expected.data(), output.pos) != 0) return false;
    state_->expected = state_->expected.subspan(output.pos);
    state_->is_at_end = rest == 0;
    if (state_->is_at_end) return input.pos == input.size;
    if (input.pos == input.size && output.pos < output.size) return true;
  }
}

bool Decompressor::EndComparison() const { return state_->is_at_end && state_->expected.empty(); }

void Decompressor::BeginStream() { BeginComparison({}); }

Result<void> Decompressor::Stream(ByteView piece,
                                  const std::function<Result<void>(ByteView)>& visit) {
  ZSTD_inBuffer input{piece.data(), piece.size(), 0};
  while (true) {
    if (state_->is_at_end) {
      return input.pos == input.size ? Result<void>{}
                                     : Fail(ErrorCode::kCorrupt, "data follow the zstd frame");
    }
    ZSTD_outBuffer output{state_->piece.data(), state_->piece.size(), 0};
    const std::size_t rest = ZSTD_decompressStream(state_->context.get(), &output, &input);
    if (ZSTD_isError(rest)) return BadFrame(rest);
    state_->is_at_end = rest == 0;
    if (output.pos > 0) HF_TRY(visit(ByteView(state_->piece).first(output.pos)));
    if (!state_->is_at_end && input.pos == input.size && output.pos < output.size) return {};
  }
}

bool Decompressor::is_at_end() const { return state_->is_at_end; }

Result<Bytes> Decompressor::DecompressUpTo(ByteView frame, std::size_t plain_max) {
  (void)ZSTD_DCtx_reset(state_->context.get(), ZSTD_reset_session_only);
  ZSTD_inBuffer input{frame.data(), frame.size(), 0};
  Bytes plaintext;
  for (;;) {
    // Grows with the actual output. A size in the header is not trusted.
    const std::size_t begin = plaintext.size();
    plaintext.resize(std::min(plain_max + 1, begin + std::max<std::size_t>(begin, 64U << 10)));
    ZSTD_outBuffer output{plaintext.data(), plaintext.size(), begin};
    const std::size_t rest = ZSTD_decompressStream(state_->context.get(), &output, &input);
    plaintext.resize(output.pos);
    if (ZSTD_isError(rest)) return BadFrame(rest);
    if (plaintext.size() > plain_max) {
      return Fail(ErrorCode::kCorrupt,
                  fmt::format("more than {} when decompressed", FormatBytes(plain_max)));
    }
    if (rest == 0 && input.pos == input.size) return plaintext;
    const bool has_room_left = output.pos < output.size;
    if (input.pos == input.size && has_room_left) {
      return Fail(ErrorCode::kCorrupt, "the zstd frame is cut short");
    }
  }
}

}  // namespace holdfast::repository
