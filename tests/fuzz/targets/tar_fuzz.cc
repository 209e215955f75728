// Archives as read by import: any entry can be skipped, and nothing outside the archive is read.
#include <algorithm>

#include "common/stream/tar_reader.h"
#include "tests/fuzz/target.h"

namespace holdfast::fuzz {
namespace {

// Sets each header's checksum. Otherwise nothing after that check would be tested.
Bytes WithChecksums(ByteView input) {
  constexpr std::size_t kBlock = 512;
  constexpr std::size_t kChecksum = 148;
  constexpr std::size_t kChecksumBytes = 8;
  constexpr std::size_t kMagic = 257;
  Bytes archive(input.begin(), input.end());
  for (std::size_t at = 0; at + kBlock <= archive.size(); at += kBlock) {
    const std::span<std::uint8_t> block = std::span(archive).subspan(at, kBlock);
    if (!AsText(block).substr(kMagic).starts_with("ustar")) continue;
    std::ranges::fill(block.subspan(kChecksum, kChecksumBytes), std::uint8_t{' '});
    unsigned sum = 0;
    for (const std::uint8_t byte : block) sum += byte;
    for (std::size_t i = 6; i-- > 0; sum /= 8) {
      block[kChecksum + i] = static_cast<std::uint8_t>('0' + sum % 8);
    }
    block[kChecksum + 6] = 0;
  }
  return archive;
}

}  // namespace
}  // namespace holdfast::fuzz

FUZZ_TARGET(tar) {
  using namespace holdfast;
  constexpr std::size_t kPiece = 300;  // not a divisor of a block
  const Bytes archive = fuzz::WithChecksums(input);
  ByteView left = archive;
  TarReader reader([&](std::span<std::uint8_t> buffer) -> Result<std::size_t> {
    const std::size_t count = std::min({buffer.size(), left.size(), kPiece});
    std::ranges::copy(left.first(count), buffer.begin());
    left = left.subspan(count);
    return count;
  });
  for (;;) {
    const Result<std::optional<TarEntry>> entry = reader.Next();
    FUZZ_REQUIRE_CLEAR(entry);
    if (!entry) return false;
    if (!*entry) {
      FUZZ_REQUIRE(left.empty());
      return true;
    }
    FUZZ_REQUIRE(reader.left() == (*entry)->size);
    FUZZ_REQUIRE((*entry)->path.size() + (*entry)->target.size() <= input.size());
    while (reader.left() > 0) {
      Bytes piece(static_cast<std::size_t>(std::min<std::uint64_t>(reader.left(), kPiece)));
      const Result<void> read = reader.Data(piece);
      FUZZ_REQUIRE_CLEAR(read);
      if (!read) return false;
    }
  }
}
