// A compressed snapshot of a foreign ZooKeeper: the result is the same for any read size, or it is
// refused.
#include <array>

#include "agent/sources/zookeeper/compression.h"
#include "tests/fuzz/target.h"
#include "tests/support/zookeeper_files.h"

namespace holdfast::fuzz {
namespace {

struct Expanded {
  bool is_whole = false;
  std::uint64_t bytes = 0;
  std::uint32_t sum = zookeeper::kAdlerOfNothing;
};

Expanded Expand(zookeeper::Compression compression, ByteView input, std::size_t piece) {
  // More adds nothing, and gzip can expand a thousand times.
  constexpr std::uint64_t kBytesMax = 4U << 20;
  const auto reader =
      zookeeper::Decompress(compression, std::make_unique<testing::MemoryContent>(input, piece));
  Expanded expanded;
  std::array<std::uint8_t, 4096> buffer{};
  while (expanded.bytes < kBytesMax) {
    const auto count = reader->Read(std::span(buffer).first(std::min(buffer.size(), 13 * piece)));
    FUZZ_REQUIRE_CLEAR(count);
    if (!count) return expanded;
    if (*count == 0) {
      expanded.is_whole = true;
      return expanded;
    }
    expanded.bytes += *count;
    expanded.sum = zookeeper::Adler32(expanded.sum, ByteView(buffer).first(*count));
  }
  return expanded;
}

}  // namespace
}  // namespace holdfast::fuzz

FUZZ_TARGET(zookeeper_compressed) {
  using namespace holdfast;
  bool is_taken = false;
  for (const auto compression : {zookeeper::Compression::kGzip, zookeeper::Compression::kSnappy}) {
    const fuzz::Expanded once = fuzz::Expand(compression, input, 300);
    const fuzz::Expanded again = fuzz::Expand(compression, input, 17);
    FUZZ_REQUIRE(once.is_whole == again.is_whole);
    FUZZ_REQUIRE(!once.is_whole || (once.bytes == again.bytes && once.sum == again.sum));
    is_taken = is_taken || (once.is_whole && once.bytes > 0);
  }
  return is_taken;
}
