// scrypt (RFC 7914): derives a key from a password in a way that makes guessing expensive.
#pragma once

#include <cstdint>
#include <string_view>

#include "common/base/bytes.h"
#include "common/base/result.h"

namespace holdfast::crypto {

struct ScryptParameters {
  std::uint64_t n = 32768;  // a power of two; memory and time grow with n * r
  std::uint64_t r = 8;
  std::uint64_t p = 4;  // time grows with p
  bool operator==(const ScryptParameters&) const = default;
};

// kInvalidArgument for parameters that scrypt does not allow, or that would take more than a
// gigabyte or minutes of work: a hostile key file must not stall the machine.
Result<Bytes> Scrypt(std::string_view password, ByteView salt, const ScryptParameters& parameters,
                     std::size_t size);

}  // namespace holdfast::crypto
