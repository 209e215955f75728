#include "common/crypto/sha256.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "common/base/result.h"
#include "common/crypto/digest_context.h"

namespace holdfast::crypto {
namespace {

// Fetching the algorithm by name costs more than hashing a small blob, so it is done once.
const EVP_MD* Algorithm() {
  static const EVP_MD* const algorithm = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  HF_CHECK(algorithm != nullptr);
  return algorithm;
}

void Begin(EVP_MD_CTX* context) { HF_CHECK(EVP_DigestInit_ex(context, Algorithm(), nullptr) == 1); }

Digest End(EVP_MD_CTX* context) {
  Digest digest;
  unsigned size = 0;
  HF_CHECK(EVP_DigestFinal_ex(context, digest.data(), &size) == 1 && size == digest.size());
  return digest;
}

}  // namespace

struct Sha256::State {
  DigestContext context = NewDigestContext();
};

Sha256::Sha256() : state_(std::make_unique<State>()) { Begin(state_->context.get()); }
Sha256::Sha256(Sha256&& other) noexcept = default;
Sha256& Sha256::operator=(Sha256&& other) noexcept = default;
Sha256::~Sha256() = default;

void Sha256::Update(ByteView bytes) {
  HF_CHECK(EVP_DigestUpdate(state_->context.get(), bytes.data(), bytes.size()) == 1);
}

Digest Sha256::Finish() {
  Digest digest = End(state_->context.get());
  Begin(state_->context.get());
  return digest;
}

Digest Sha256Of(ByteView bytes) {
  thread_local const DigestContext context = NewDigestContext();
  Begin(context.get());
  HF_CHECK(EVP_DigestUpdate(context.get(), bytes.data(), bytes.size()) == 1);
  return End(context.get());
}

Digest HmacSha256(ByteView key, ByteView message) {
  Digest digest;
  unsigned size = 0;
  HF_CHECK(HMAC(Algorithm(), key.data(), static_cast<int>(key.size()), message.data(),
                message.size(), digest.data(), &size) != nullptr);
  return digest;
}

bool EqualInConstantTime(ByteView a, ByteView b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

Bytes HkdfSha256(ByteView secret, std::string_view label, std::size_t size) {
  HF_CHECK(size <= 255 * sizeof(Digest));
  const Digest salt{};
  const Digest pseudorandom_key = HmacSha256(salt, secret);
  Bytes output;
  Bytes block;
  for (std::uint8_t counter = 1; output.size() < size; ++counter) {
    ByteView text = AsBytes(label);
    block.insert(block.end(), text.begin(), text.end());
    block.push_back(counter);
    const Digest digest = HmacSha256(pseudorandom_key, block);
    output.insert(output.end(), digest.begin(), digest.end());
    block.assign(digest.begin(), digest.end());
  }
  output.resize(size);
  return output;
}

}  // namespace holdfast::crypto
