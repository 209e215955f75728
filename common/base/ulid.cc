#include "common/base/ulid.h"

#include <array>
#include <chrono>

namespace holdfast {
namespace {
constexpr std::string_view kDigits = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
}

std::string MakeUlid(const Clock& clock, Random& random) {
  auto since_epoch = clock.Now().time_since_epoch();
  auto milliseconds = static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::milliseconds>(since_epoch).count());
  std::array<std::uint8_t, 16> bits{};
  for (std::size_t i = 0; i < 6; ++i) {
    bits[i] = static_cast<std::uint8_t>(milliseconds >> (40 - 8 * i));
  }
  random.Fill(std::span(bits).subspan(6));
  // 26 digits of 5 bits are 130 bits: the two highest are zero.
  std::string text(26, '0');
  for (std::size_t digit = 0; digit < 26; ++digit) {
    unsigned value = 0;
    for (std::size_t i = 0; i < 5; ++i) {
      std::size_t position = digit * 5 + i;
      unsigned bit =
          position < 2 ? 0U : (bits[(position - 2) / 8] >> (7 - (position - 2) % 8)) & 1U;
      value = value << 1 | bit;
    }
    text[digit] = kDigits[value];
  }
  return text;
}

bool IsUlid(std::string_view text) {
  if (text.size() != 26 || text[0] > '7') return false;
  return text.find_first_not_of(kDigits) == std::string_view::npos;
}

}  // namespace holdfast
