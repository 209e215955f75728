// zstd as a stream: decodes in pieces of any size until the frames end, and detects truncation.
#include <algorithm>
#include <array>

#include "common/repository/archive/frame_stream.h"
#include "tests/fuzz/target.h"

FUZZ_TARGET(frame) {
  using namespace holdfast;
  constexpr std::size_t kReadMax = 4U << 20;  // a frame may have endless zeros
  ByteView left = input;
  repository::FrameReader reader([&](std::span<std::uint8_t> buffer) -> Result<std::size_t> {
    const std::size_t count = std::min<std::size_t>({buffer.size(), left.size(), 7});
    std::ranges::copy(left.first(count), buffer.begin());
    left = left.subspan(count);
    return count;
  });
  std::array<std::uint8_t, 5000> buffer;
  for (std::size_t read = 0; read < kReadMax;) {
    const Result<std::size_t> count = reader.Some(buffer);
    FUZZ_REQUIRE_CLEAR(count);
    if (!count) return false;
    FUZZ_REQUIRE(*count <= buffer.size());
    if (*count == 0) {
      FUZZ_REQUIRE(left.empty());
      return true;
    }
    read += *count;
  }
  return false;
}
