// CRC-32C (Castagnoli, RFC 3720 appendix B.4), which guards Kafka's batches. No library that we
// link has it.
#pragma once

#include <cstdint>

#include "common/base/bytes.h"

namespace holdfast::kafka {

// By the processor where it can.
std::uint32_t Crc32c(ByteView bytes);

// By tables, on every processor: several times slower.
std::uint32_t Crc32cByTable(ByteView bytes);

}  // namespace holdfast::kafka
