#include "common/crypto/scrypt.h"

#include <openssl/evp.h>

#include <bit>

#include "common/base/format.h"

namespace holdfast::crypto {
namespace {

constexpr std::uint64_t kMemoryMax = 1ULL << 30;
constexpr std::uint64_t kWorkMax = 1ULL << 26;  // n * r * p; restic's own choice is near 2^20

bool AreAcceptable(const ScryptParameters& parameters) {
  const auto& [n, r, p] = parameters;
  if (n < 2 || !std::has_single_bit(n) || r == 0 || p == 0) return false;
  if (n > kWorkMax || r > kWorkMax || p > kWorkMax) return false;  // prevents overflow below
  return n * r <= kMemoryMax / 128 && n * r <= kWorkMax && n * r * p <= kWorkMax;
}

}  // namespace

Result<Bytes> Scrypt(std::string_view password, ByteView salt, const ScryptParameters& parameters,
                     std::size_t size) {
  if (!AreAcceptable(parameters)) {
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("scrypt parameters N={}, r={}, p={} are invalid or too expensive",
                            parameters.n, parameters.r, parameters.p));
  }
  Bytes key(size);
  // OpenSSL's default limit of 32 MiB is less than restic's parameters need.
  constexpr std::uint64_t kOverhead = 64ULL << 20;
  if (EVP_PBE_scrypt(password.data(), password.size(), salt.data(), salt.size(), parameters.n,
                     parameters.r, parameters.p, kMemoryMax + kOverhead, key.data(),
                     key.size()) != 1) {
    return Fail(
        ErrorCode::kInternal,
        fmt::format("scrypt with N={}, r={}, p={} failed", parameters.n, parameters.r,
                    parameters.p),
        fmt::format("it needs {} of memory", FormatBytes(128 * parameters.n * parameters.r)));
  }
  return key;
}

}  // namespace holdfast::crypto
