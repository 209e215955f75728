// CRC-32C (Castagnoli, RFC 3720 appendix B.4), the checksum of Kafka's batches. None of the
// libraries that we link provides it.
#pragma once

#include <cstdint>

#include "common/base/bytes.h"

namespace holdfast::kafka {

// Uses the processor's instruction if it has one.
std::uint32_t Crc32c(ByteView bytes);

// The portable version with tables; several times slower.
std::uint32_t Crc32cByTable(ByteView bytes);

}  // namespace holdfast::kafka
