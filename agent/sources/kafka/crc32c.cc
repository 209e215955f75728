#include "agent/sources/kafka/crc32c.h"

#include <array>
#include <cstring>

#ifdef __x86_64__
#include <nmmintrin.h>
#endif

namespace holdfast::kafka {
namespace {

constexpr std::uint32_t kPolynomial = 0x82f63b78;  // bits reversed
constexpr std::size_t kStride = 8;
using CrcTables = std::array<std::array<std::uint32_t, 256>, kStride>;

// The k-th table maps a byte to its effect on the checksum when k more bytes follow it.
constexpr CrcTables MakeCrcTables() {
  CrcTables tables{};
  for (std::uint32_t byte = 0; byte < 256; ++byte) {
    std::uint32_t sum = byte;
    for (int bit = 0; bit < 8; ++bit) sum = (sum >> 1) ^ ((sum & 1) != 0 ? kPolynomial : 0);
    tables[0][byte] = sum;
  }
  for (std::size_t k = 1; k < kStride; ++k) {
    for (std::size_t byte = 0; byte < 256; ++byte) {
      const std::uint32_t sum = tables[k - 1][byte];
      tables[k][byte] = (sum >> 8) ^ tables[0][sum & 0xff];
    }
  }
  return tables;
}
constexpr CrcTables kCrcTables = MakeCrcTables();

#ifdef __x86_64__
[[gnu::target("sse4.2")]] std::uint32_t Crc32cBySse42(ByteView bytes) {
  std::uint64_t sum = 0xffffffff;
  while (bytes.size() >= sizeof(std::uint64_t)) {
    std::uint64_t word = 0;
    std::memcpy(&word, bytes.data(), sizeof(word));
    sum = _mm_crc32_u64(sum, word);
    bytes = bytes.subspan(sizeof(word));
  }
  for (const std::uint8_t byte : bytes) sum = _mm_crc32_u8(static_cast<std::uint32_t>(sum), byte);
  return ~static_cast<std::uint32_t>(sum);
}
#endif

}  // namespace

std::uint32_t Crc32cByTable(ByteView bytes) {
  std::uint32_t sum = 0xffffffff;
  while (bytes.size() >= kStride) {
    std::uint32_t next = 0;
    for (std::size_t i = 0; i < kStride; ++i) {
      const std::uint32_t before = i < sizeof(sum) ? (sum >> (8 * i)) & 0xff : 0;
      next ^= kCrcTables[kStride - 1 - i][bytes[i] ^ before];
    }
    sum = next;
    bytes = bytes.subspan(kStride);
  }
  for (const std::uint8_t byte : bytes) sum = (sum >> 8) ^ kCrcTables[0][(sum ^ byte) & 0xff];
  return ~sum;
}

std::uint32_t Crc32c(ByteView bytes) {
#ifdef __x86_64__
  static const bool has_sse42 = __builtin_cpu_supports("sse4.2") != 0;
  if (has_sse42) return Crc32cBySse42(bytes);
#endif
  return Crc32cByTable(bytes);
}

}  // namespace holdfast::kafka
