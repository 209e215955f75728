// SHA-1 (FIPS 180-4). Not secure: only where other software identifies things by it.
#pragma once

#include <array>
#include <cstdint>

#include "common/base/bytes.h"

namespace holdfast::crypto {

// Thread-safe.
std::array<std::uint8_t, 20> Sha1Of(ByteView bytes);

}  // namespace holdfast::crypto
