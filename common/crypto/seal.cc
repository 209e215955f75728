#include "common/crypto/seal.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>

#include <algorithm>

#include "common/base/deleter.h"
#include "common/crypto/sha256.h"

namespace holdfast::crypto {
namespace {

using Block = std::array<std::uint8_t, 16>;

using CipherContext = std::unique_ptr<EVP_CIPHER_CTX, Deleter<EVP_CIPHER_CTX_free>>;
using MacContext = std::unique_ptr<EVP_MAC_CTX, Deleter<EVP_MAC_CTX_free>>;

CipherContext NewCipher(const char* name, ByteView key) {
  EVP_CIPHER* cipher = EVP_CIPHER_fetch(nullptr, name, nullptr);
  HF_CHECK(cipher != nullptr);
  CipherContext context(EVP_CIPHER_CTX_new());
  HF_CHECK(context != nullptr);
  // Encryption serves both directions: counter mode is its own inverse, and the one-time MAC key is
  // created by encrypting.
  HF_CHECK(EVP_EncryptInit_ex2(context.get(), cipher, key.data(), nullptr, nullptr) == 1);
  HF_CHECK(EVP_CIPHER_CTX_set_padding(context.get(), 0) == 1);
  EVP_CIPHER_free(cipher);  // the context keeps its own reference
  return context;
}

MacContext NewPoly1305() {
  EVP_MAC* mac = EVP_MAC_fetch(nullptr, "POLY1305", nullptr);
  HF_CHECK(mac != nullptr);
  MacContext context(EVP_MAC_CTX_new(mac));
  HF_CHECK(context != nullptr);
  EVP_MAC_free(mac);
  return context;
}

}  // namespace

void Wipe(std::span<std::uint8_t> bytes) { OPENSSL_cleanse(bytes.data(), bytes.size()); }

SealKey::~SealKey() {
  Wipe(encrypt);
  Wipe(mac_k);
  Wipe(mac_r);
}

SealKey SealKey::Generate(Random& random) {
  SealKey key;
  do {
    random.Fill(key.encrypt);
    random.Fill(key.mac_k);
    random.Fill(key.mac_r);
  } while (!key.IsValid());
  return key;
}

SealKey SealKey::FromBytes(ByteView bytes) {
  HF_CHECK(bytes.size() == 64);
  SealKey key;
  std::ranges::copy(bytes.subspan(0, 32), key.encrypt.begin());
  std::ranges::copy(bytes.subspan(32, 16), key.mac_k.begin());
  std::ranges::copy(bytes.subspan(48, 16), key.mac_r.begin());
  return key;
}

SealKey SealKey::Derive(std::string_view label) const {
  Bytes bytes = HkdfSha256(encrypt, label, 64);
  const SealKey key = FromBytes(bytes);
  Wipe(bytes);
  return key;
}

bool SealKey::IsValid() const {
  return !IsAllZero(encrypt) && !IsAllZero(mac_k) && !IsAllZero(mac_r);
}

struct Sealer::State {
  State(const SealKey& seal_key, Random& iv_source)
      : random(&iv_source),
        mac_r(seal_key.mac_r),
        stream(NewCipher("AES-256-CTR", seal_key.encrypt)),
        nonce(NewCipher("AES-128-ECB", seal_key.mac_k)),
        poly1305(NewPoly1305()) {}
  ~State() { Wipe(mac_r); }
  State(const State&) = delete;
  State& operator=(const State&) = delete;

  // AES-256-CTR with the counter block `iv`, from `from` to `to`, which may be the same memory.
  void Transform(const std::uint8_t* iv, ByteView from, std::uint8_t* to) {
    Begin(iv);
    TransformMore(from, to);
  }
  void Begin(const std::uint8_t* iv) {
    HF_CHECK(EVP_EncryptInit_ex2(stream.get(), nullptr, nullptr, iv, nullptr) == 1);
  }
  void TransformMore(ByteView from, std::uint8_t* to) {
    while (!from.empty()) {
      // OpenSSL counts bytes in an int. Pieces are whole blocks, so the counter continues.
      constexpr std::size_t kPieceMax = 1U << 30;
      std::size_t piece = std::min(from.size(), kPieceMax);
      int written = 0;
      HF_CHECK(
          EVP_EncryptUpdate(stream.get(), to, &written, from.data(), static_cast<int>(piece)) == 1);
      HF_CHECK(static_cast<std::size_t>(written) == piece);
      from = from.subspan(piece);
      to += piece;
    }
  }

  // Poly1305 of the ciphertext under the one-time key r || AES-128(k, iv).
  Block Authenticate(const std::uint8_t* iv, ByteView ciphertext) {
    std::array<std::uint8_t, 32> key;
    std::ranges::copy(mac_r, key.begin());
    int written = 0;
    HF_CHECK(EVP_EncryptInit_ex2(nonce.get(), nullptr, nullptr, nullptr, nullptr) == 1);
    HF_CHECK(EVP_EncryptUpdate(nonce.get(), key.data() + 16, &written, iv, 16) == 1);
    HF_CHECK(written == 16);
    Block mac;
    std::size_t size = 0;
    HF_CHECK(EVP_MAC_init(poly1305.get(), key.data(), key.size(), nullptr) == 1);
    HF_CHECK(EVP_MAC_update(poly1305.get(), ciphertext.data(), ciphertext.size()) == 1);
    HF_CHECK(EVP_MAC_final(poly1305.get(), mac.data(), &size, mac.size()) == 1);
    Wipe(key);
    return mac;
  }

  // REQUIRES: sealed.size() >= kSealOverhead.
  Result<void> Verify(ByteView sealed) {
    const Block mac =
        Authenticate(sealed.data(), sealed.subspan(kSealIvBytes, sealed.size() - kSealOverhead));
    if (CRYPTO_memcmp(mac.data(), sealed.last(kSealMacBytes).data(), mac.size()) == 0) return {};
    return Fail(ErrorCode::kCorrupt, "authentication failed");
  }

  Random* random;
  std::array<std::uint8_t, 16> mac_r;
  CipherContext stream;
  CipherContext nonce;
  MacContext poly1305;
};

Sealer::Sealer(const SealKey& key, Random& random) {
  HF_CHECK(key.IsValid());
  state_ = std::make_unique<State>(key, random);
}
Sealer::Sealer(Sealer&& other) noexcept = default;
Sealer& Sealer::operator=(Sealer&& other) noexcept = default;
Sealer::~Sealer() = default;

void Sealer::SealInto(ByteView plaintext, std::span<std::uint8_t> out) {
  HF_CHECK(out.size() == kSealOverhead + plaintext.size());
  Block iv;
  do {
    state_->random->Fill(iv);
  } while (IsAllZero(iv));  // readers refuse a zero IV
  std::uint8_t* ciphertext = out.data() + kSealIvBytes;
  std::ranges::copy(iv, out.data());
  state_->Transform(iv.data(), plaintext, ciphertext);
  const Block mac = state_->Authenticate(iv.data(), {ciphertext, plaintext.size()});
  std::ranges::copy(mac, ciphertext + plaintext.size());
}

void Sealer::SealInPlace(std::span<std::uint8_t> bytes) {
  HF_CHECK(bytes.size() >= kSealOverhead);
  SealInto(bytes.subspan(kSealIvBytes, bytes.size() - kSealOverhead), bytes);
}

Bytes Sealer::Seal(ByteView plaintext) {
  Bytes sealed(kSealOverhead + plaintext.size());
  SealInto(plaintext, sealed);
  return sealed;
}

Result<void> Sealer::OpenInto(ByteView sealed, std::span<std::uint8_t> out) {
  HF_CHECK(sealed.size() == kSealOverhead + out.size());
  HF_TRY(state_->Verify(sealed));
  state_->Transform(sealed.data(), sealed.subspan(kSealIvBytes, out.size()), out.data());
  return {};
}

Result<void> Sealer::OpenInPieces(ByteView sealed, const std::function<bool(ByteView)>& visit) {
  if (sealed.size() < kSealOverhead) {
    return Fail(ErrorCode::kCorrupt, "too short to be sealed data");
  }
  ByteView rest = sealed.subspan(kSealIvBytes, sealed.size() - kSealOverhead);
  HF_TRY(state_->Verify(sealed));
  state_->Begin(sealed.data());
  std::array<std::uint8_t, 32U << 10> piece;
  while (!rest.empty()) {
    const std::size_t size = std::min(piece.size(), rest.size());
    state_->TransformMore(rest.first(size), piece.data());
    if (!visit(ByteView(piece).first(size))) return {};
    rest = rest.subspan(size);
  }
  return {};
}

Result<Bytes> Sealer::Open(ByteView sealed) {
  if (sealed.size() < kSealOverhead) {
    return Fail(ErrorCode::kCorrupt, "too short to be sealed data");
  }
  Bytes plaintext(sealed.size() - kSealOverhead);
  HF_TRY(OpenInto(sealed, plaintext));
  return plaintext;
}

}  // namespace holdfast::crypto
