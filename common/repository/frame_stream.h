// zstd for streams of any length.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>

#include "common/base/bytes.h"
#include "common/base/result.h"

namespace holdfast::repository {

// Compresses into one frame with a checksum, on up to four threads. Used by one thread.
class FrameWriter {
 public:
  using Write = std::function<Result<void>(ByteView)>;
  explicit FrameWriter(Write write);
  ~FrameWriter();
  Result<void> Add(ByteView bytes);
  // The end of the frame.
  Result<void> Finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// The inverse, of one frame or several in a row. Used by one thread. Memory: at most 128 MiB, which
// is what the zstd program itself grants.
class FrameReader {
 public:
  // Up to as many bytes as there is room for; 0 at the end.
  using Read = std::function<Result<std::size_t>(std::span<std::uint8_t>)>;
  explicit FrameReader(Read read);
  ~FrameReader();
  // Some bytes; 0 at the end of the last frame. kCorrupt for what is torn, or no frame.
  Result<std::size_t> Some(std::span<std::uint8_t> buffer);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace holdfast::repository
