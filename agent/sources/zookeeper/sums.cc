#include "agent/sources/zookeeper/sums.h"

#include <zlib.h>

namespace holdfast::zookeeper {

std::uint32_t Adler32(std::uint32_t sum, ByteView bytes) {
  if (bytes.empty()) return sum;  // zlib restarts the sum if the pointer is null
  return static_cast<std::uint32_t>(::adler32_z(sum, bytes.data(), bytes.size()));
}

std::uint32_t Crc32(std::uint32_t sum, ByteView bytes) {
  if (bytes.empty()) return sum;  // zlib restarts the sum if the pointer is null
  return static_cast<std::uint32_t>(::crc32_z(sum, bytes.data(), bytes.size()));
}

}  // namespace holdfast::zookeeper
