// MD5 (RFC 1321). Not secure: only for protocols that require it as a checksum.
#pragma once

#include <array>
#include <cstdint>

#include "common/base/bytes.h"

namespace holdfast::crypto {

// Thread-safe.
std::array<std::uint8_t, 16> Md5Of(ByteView bytes);

}  // namespace holdfast::crypto
