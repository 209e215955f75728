// The checksums of ZooKeeper's files.
#pragma once

#include <cstdint>

#include "common/base/bytes.h"

namespace holdfast::zookeeper {

constexpr std::uint32_t kAdlerOfNothing = 1;

// The sum of everything that `sum` covers, followed by `bytes`.
std::uint32_t Adler32(std::uint32_t sum, ByteView bytes);
// The same; the sum of nothing is 0.
std::uint32_t Crc32(std::uint32_t sum, ByteView bytes);

}  // namespace holdfast::zookeeper
