// MD5 (RFC 1321), which protects nothing: only where a protocol asks for it as a checksum.
#pragma once

#include <array>
#include <cstdint>

#include "common/base/bytes.h"

namespace holdfast::crypto {

// Safe from several threads.
std::array<std::uint8_t, 16> Md5Of(ByteView bytes);

}  // namespace holdfast::crypto
