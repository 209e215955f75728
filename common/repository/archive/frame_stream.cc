#include "common/repository/archive/frame_stream.h"

#include <zstd.h>

#include <algorithm>
#include <utility>

#include "common/base/deleter.h"
#include "common/base/format.h"
#include "common/base/parallel.h"

namespace holdfast::repository {
namespace {

constexpr int kFrameLevel = 3;
constexpr int kWindowLogMax = 27;
// Each takes about 16 MiB.
constexpr unsigned kFrameThreadsMax = 4;

}  // namespace

struct FrameWriter::State {
  // Compresses and writes `bytes`; at the end, everything that is left.
  Result<void> Compress(ByteView bytes, ZSTD_EndDirective directive) {
    ZSTD_inBuffer in{bytes.data(), bytes.size(), 0};
    for (;;) {
      ZSTD_outBuffer out{buffer.data(), buffer.size(), 0};
      const std::size_t left = ZSTD_compressStream2(context.get(), &out, &in, directive);
      HF_CHECK(!ZSTD_isError(left));
      if (out.pos > 0) HF_TRY(write(ByteView(buffer).first(out.pos)));
      const bool is_done = directive == ZSTD_e_end ? left == 0 : in.pos == in.size;
      if (is_done) return {};
    }
  }

  Write write;
  std::unique_ptr<ZSTD_CCtx, Deleter<ZSTD_freeCCtx>> context{ZSTD_createCCtx()};
  Bytes buffer = Bytes(ZSTD_CStreamOutSize());
};

FrameWriter::FrameWriter(Write write) : state_(std::make_unique<State>()) {
  state_->write = std::move(write);
  ZSTD_CCtx* context = state_->context.get();
  HF_CHECK(context != nullptr);
  HF_CHECK(!ZSTD_isError(ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, kFrameLevel)));
  HF_CHECK(!ZSTD_isError(ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1)));
  // A library without thread support refuses this, and uses the calling thread.
  (void)ZSTD_CCtx_setParameter(context, ZSTD_c_nbWorkers,
                               static_cast<int>(std::min(CoreCount(), kFrameThreadsMax)));
}
FrameWriter::~FrameWriter() = default;

Result<void> FrameWriter::Add(ByteView bytes) { return state_->Compress(bytes, ZSTD_e_continue); }

Result<void> FrameWriter::Finish() { return state_->Compress({}, ZSTD_e_end); }

struct FrameReader::State {
  Read read;
  std::unique_ptr<ZSTD_DCtx, Deleter<ZSTD_freeDCtx>> context{ZSTD_createDCtx()};
  Bytes buffer = Bytes(ZSTD_DStreamInSize());
  ZSTD_inBuffer in{nullptr, 0, 0};
  bool is_inside = false;  // of a frame
  bool has_frame = false;
};

FrameReader::FrameReader(Read read) : state_(std::make_unique<State>()) {
  state_->read = std::move(read);
  HF_CHECK(state_->context != nullptr);
  HF_CHECK(!ZSTD_isError(
      ZSTD_DCtx_setParameter(state_->context.get(), ZSTD_d_windowLogMax, kWindowLogMax)));
}
FrameReader::~FrameReader() = default;

Result<std::size_t> FrameReader::Some(std::span<std::uint8_t> buffer) {
  State& state = *state_;
  ZSTD_outBuffer out{buffer.data(), buffer.size(), 0};
  while (out.pos == 0) {
    bool is_over = false;
    // Drain the decoder first: it may hold more than the last buffer had room for.
    if (state.in.pos == state.in.size) {
      HF_ASSIGN(const std::size_t count, state.read(state.buffer));
      state.in = {state.buffer.data(), count, 0};
      is_over = count == 0;
    }
    if (is_over && !state.is_inside) {
      if (state.has_frame) return 0;
      return Fail(ErrorCode::kCorrupt, "it is empty");
    }
    const std::size_t left = ZSTD_decompressStream(state.context.get(), &out, &state.in);
    if (ZSTD_isError(left)) {
      return Fail(ErrorCode::kCorrupt,
                  fmt::format("not a valid export: zstd: {}", ZSTD_getErrorName(left)));
    }
    state.is_inside = left != 0;
    state.has_frame = state.has_frame || left == 0;
    if (is_over && out.pos == 0 && state.is_inside) {
      return Fail(ErrorCode::kCorrupt, "it is cut short");
    }
  }
  return out.pos;
}

}  // namespace holdfast::repository
