#include "common/crypto/md5.h"

#include <openssl/evp.h>

#include "common/base/result.h"

namespace holdfast::crypto {

std::array<std::uint8_t, 16> Md5Of(ByteView bytes) {
  std::array<std::uint8_t, 16> digest{};
  unsigned size = 0;
  HF_CHECK(EVP_Digest(bytes.data(), bytes.size(), digest.data(), &size, EVP_md5(), nullptr) == 1 &&
           size == digest.size());
  return digest;
}

}  // namespace holdfast::crypto
