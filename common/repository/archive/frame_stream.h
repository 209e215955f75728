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
  // Ends the frame.
  Result<void> Finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// Decompresses one frame or several in a row. Used by one thread. Memory: at most 128 MiB, the
// limit of the zstd program.
class FrameReader {
 public:
  // Reads up to the buffer's size and returns the number of bytes; 0 at the end.
  using Read = std::function<Result<std::size_t>(std::span<std::uint8_t>)>;
  explicit FrameReader(Read read);
  ~FrameReader();
  // Returns some bytes; 0 at the end of the last frame. kCorrupt if the stream is torn or not zstd.
  Result<std::size_t> Some(std::span<std::uint8_t> buffer);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace holdfast::repository
