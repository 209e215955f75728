#include "common/base/random.h"

#include <sys/random.h>

#include <array>
#include <cerrno>

#include "common/base/bytes.h"
#include "common/base/result.h"

namespace holdfast {

void SystemRandom::Fill(std::span<std::uint8_t> bytes) {
  while (!bytes.empty()) {
    ssize_t count = getrandom(bytes.data(), bytes.size(), 0);
    if (count < 0 && errno == EINTR) continue;
    HF_CHECK(count > 0);
    bytes = bytes.subspan(static_cast<std::size_t>(count));
  }
}

std::uint64_t RandomBelow(Random& random, std::uint64_t limit) {
  if (limit == 0) return 0;
  std::array<std::uint8_t, 8> bytes;
  random.Fill(bytes);
  std::uint64_t value = 0;
  for (const std::uint8_t byte : bytes) value = value << 8 | byte;
  return value % limit;  // the bias is negligible for the limits in use
}

std::string RandomHex(Random& random, std::size_t bytes) {
  Bytes text(bytes);
  random.Fill(text);
  return HexEncode(text);
}

}  // namespace holdfast
