// SHA-1 (FIPS 180-4), which protects nothing: only where others name things by it.
#pragma once

#include <array>
#include <cstdint>

#include "common/base/bytes.h"

namespace holdfast::crypto {

// Safe from several threads.
std::array<std::uint8_t, 20> Sha1Of(ByteView bytes);

}  // namespace holdfast::crypto
