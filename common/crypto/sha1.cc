#include "common/crypto/sha1.h"

#include <openssl/evp.h>

#include "common/base/result.h"

namespace holdfast::crypto {

std::array<std::uint8_t, 20> Sha1Of(ByteView bytes) {
  std::array<std::uint8_t, 20> digest{};
  unsigned size = 0;
  HF_CHECK(EVP_Digest(bytes.data(), bytes.size(), digest.data(), &size, EVP_sha1(), nullptr) == 1 &&
           size == digest.size());
  return digest;
}

}  // namespace holdfast::crypto
