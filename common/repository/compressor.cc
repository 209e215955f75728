#include "common/repository/compressor.h"

#include <zstd.h>

#include <algorithm>

#include "common/base/format.h"

namespace holdfast::repository {
namespace {

struct CompressorDeleter {
  void operator()(ZSTD_CCtx* context) const { (void)ZSTD_freeCCtx(context); }
};
struct DecompressorDeleter {
  void operator()(ZSTD_DCtx* context) const { (void)ZSTD_freeDCtx(context); }
};

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
  std::unique_ptr<ZSTD_CCtx, CompressorDeleter> context;
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

void Compressor::AppendFrame(ByteView plaintext, Bytes& out) {
  const std::size_t begin = out.size();
  out.resize(begin + ZSTD_compressBound(plaintext.size()));
  const std::size_t size = ZSTD_compress2(state_->context.get(), out.data() + begin,
                                          out.size() - begin, plaintext.data(), plaintext.size());
  HF_CHECK(!ZSTD_isError(size));  // with enough room only a lack of memory could be the reason
  out.resize(begin + size);
}

// Two samples, so that neither a packed file's plain head nor a plain file's packed head decides.
bool Compressor::SeemsIncompressible(ByteView plaintext, Bytes& scratch) {
  if (plaintext.size() < 4 * kSampleBytes) return false;
  for (std::size_t offset : {std::size_t{0}, plaintext.size() / 2}) {
    scratch.clear();
    AppendFrame(plaintext.subspan(offset, kSampleBytes), scratch);
    if (scratch.size() + kSampleBytes / 20 < kSampleBytes) return false;
  }
  return true;
}

bool Compressor::CompressBlob(BlobType type, ByteView plaintext, Bytes& frame) {
  const bool is_tree = type == BlobType::kTree;
  if (state_->compression == Compression::kOff && !is_tree) return false;
  if (!is_tree && SeemsIncompressible(plaintext, frame)) return false;
  frame.clear();
  AppendFrame(plaintext, frame);
  return is_tree || frame.size() < plaintext.size();
}

struct Decompressor::State {
  std::unique_ptr<ZSTD_DCtx, DecompressorDeleter> context;
};

Decompressor::Decompressor() : state_(std::make_unique<State>()) {
  state_->context.reset(ZSTD_createDCtx());
  HF_CHECK(state_->context != nullptr);
}
Decompressor::Decompressor(Decompressor&& other) noexcept = default;
Decompressor::~Decompressor() = default;

Result<Bytes> Decompressor::Decompress(ByteView frame, std::size_t plain_length) {
  const unsigned long long declared = ZSTD_getFrameContentSize(frame.data(), frame.size());
  if (declared == ZSTD_CONTENTSIZE_ERROR) return Fail(ErrorCode::kCorrupt, "not a zstd frame");
  if (declared != ZSTD_CONTENTSIZE_UNKNOWN && declared != plain_length) {
    return Fail(ErrorCode::kCorrupt,
                fmt::format("{} bytes compressed, {} expected", declared, plain_length));
  }
  Bytes plaintext(plain_length);
  const std::size_t size = ZSTD_decompressDCtx(state_->context.get(), plaintext.data(),
                                               plaintext.size(), frame.data(), frame.size());
  if (ZSTD_isError(size)) return BadFrame(size);
  if (size != plain_length) {
    return Fail(ErrorCode::kCorrupt,
                fmt::format("{} bytes compressed, {} expected", size, plain_length));
  }
  return plaintext;
}

Result<Bytes> Decompressor::DecompressUpTo(ByteView frame, std::size_t plain_max) {
  (void)ZSTD_DCtx_reset(state_->context.get(), ZSTD_reset_session_only);
  ZSTD_inBuffer input{frame.data(), frame.size(), 0};
  Bytes plaintext;
  for (;;) {
    // Grows with what really comes out, never with what a header claims.
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
      return Fail(ErrorCode::kCorrupt, "the zstd frame is cut off");
    }
  }
}

}  // namespace holdfast::repository
