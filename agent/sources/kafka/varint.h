// Kafka's varints: zigzag encoding, so that small negative numbers are short, then seven bits per
// byte, lowest first, as in Protobuf. Kafka always writes the shortest form.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>

#include "common/base/bytes.h"

namespace holdfast::kafka {

constexpr std::uint64_t ZigZag(std::int64_t value) {
  return (static_cast<std::uint64_t>(value) << 1) ^ static_cast<std::uint64_t>(value >> 63);
}
constexpr std::int64_t UnZigZag(std::uint64_t value) {
  return static_cast<std::int64_t>((value >> 1) ^ (0 - (value & 1)));
}

constexpr std::size_t kVarintBytesMax = 10;
constexpr std::size_t VarintBytes(std::int64_t value) {
  return (static_cast<std::size_t>(std::bit_width(ZigZag(value) | 1)) + 6) / 7;
}

// Returns the end of the number. REQUIRES: room for VarintBytes(value).
inline std::uint8_t* PutVarint(std::uint8_t* to, std::int64_t value) {
  std::uint64_t bits = ZigZag(value);
  for (; bits >= 0x80; bits >>= 7) *to++ = static_cast<std::uint8_t>(bits | 0x80);
  *to++ = static_cast<std::uint8_t>(bits);
  return to;
}

enum class VarintRead : std::uint8_t { kDone, kTorn, kTooLong };

// Removes a number from the front of `rest`. kTooLong: more than 64 bits, or not the shortest form.
inline VarintRead TakeVarint(ByteView& rest, std::int64_t& value) {
  std::uint64_t bits = 0;
  for (std::size_t i = 0; i < kVarintBytesMax; ++i) {
    if (i == rest.size()) return VarintRead::kTorn;
    const std::uint8_t byte = rest[i];
    if (i == kVarintBytesMax - 1 && byte > 1) break;
    bits |= std::uint64_t{byte & 0x7fU} << (7 * i);
    if ((byte & 0x80) != 0) continue;
    if (byte == 0 && i > 0) break;
    rest = rest.subspan(i + 1);
    value = UnZigZag(bits);
    return VarintRead::kDone;
  }
  return VarintRead::kTooLong;
}

}  // namespace holdfast::kafka
