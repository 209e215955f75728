// OpenSSL's context for digests and signatures. Only for common/crypto.
#pragma once

#include <openssl/evp.h>

#include <memory>

#include "common/base/deleter.h"
#include "common/base/result.h"

namespace holdfast::crypto {

using DigestContext = std::unique_ptr<EVP_MD_CTX, Deleter<EVP_MD_CTX_free>>;

inline DigestContext NewDigestContext() {
  DigestContext context(EVP_MD_CTX_new());
  HF_CHECK(context != nullptr);
  return context;
}

}  // namespace holdfast::crypto
