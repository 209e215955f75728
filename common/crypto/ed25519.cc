#include "common/crypto/ed25519.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/x509.h>

#include <algorithm>
#include <cstring>

#include "common/base/deleter.h"
#include "common/base/format.h"
#include "common/crypto/digest_context.h"
#include "common/crypto/seal.h"

namespace holdfast::crypto {
namespace {

// 16 MiB and about 0.25 s for each guess. Stock OpenSSL accepts at most 32 MiB.
constexpr std::uint64_t kScryptN = 16384;
constexpr std::uint64_t kScryptR = 8;
constexpr std::uint64_t kScryptP = 4;
constexpr std::size_t kSaltBytes = 16;
constexpr std::size_t kIvBytes = 16;
constexpr std::size_t kSeedBytes = 32;

constexpr std::string_view kEncryptedMark = "-----BEGIN ENCRYPTED PRIVATE KEY-----";
constexpr std::string_view kPlainMark = "-----BEGIN PRIVATE KEY-----";

using Key = std::unique_ptr<EVP_PKEY, Deleter<EVP_PKEY_free>>;
using Bio = std::unique_ptr<BIO, Deleter<BIO_free>>;
using KeyInfo = std::unique_ptr<PKCS8_PRIV_KEY_INFO, Deleter<PKCS8_PRIV_KEY_INFO_free>>;
using EncryptedKey = std::unique_ptr<X509_SIG, Deleter<X509_SIG_free>>;

// The memory of this kind of BIO is wiped when it is freed.
Bio NewMemory() {
  Bio memory(BIO_new(BIO_s_mem()));
  HF_CHECK(memory != nullptr);
  return memory;
}

Bio MemoryOf(std::string_view text) {
  HF_CHECK(text.size() <= 1U << 20);
  Bio memory(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
  HF_CHECK(memory != nullptr);
  return memory;
}

std::string TextOf(BIO* memory) {
  char* data = nullptr;
  long size = BIO_get_mem_data(memory, &data);
  HF_CHECK(size > 0);
  return std::string(data, static_cast<std::size_t>(size));
}

std::unexpected<Error> NotEd25519(const EVP_PKEY* key, std::string_view what) {
  const char* name = EVP_PKEY_get0_type_name(key);
  return Fail(ErrorCode::kInvalidArgument,
              fmt::format("the {} is of type {}; expected Ed25519", what,
                          Quote(name == nullptr ? "unknown" : name)),
              "create one with `openssl genpkey -algorithm ed25519`");
}

PublicKey RawPublicKey(const EVP_PKEY* key) {
  PublicKey raw;
  std::size_t size = raw.size();
  HF_CHECK(EVP_PKEY_get_raw_public_key(key, raw.data(), &size) == 1 && size == raw.size());
  return raw;
}

// Passes the passphrase to OpenSSL. Without one it fails instead of prompting on the terminal.
int GivePassphrase(char* buffer, int size, int /*for_writing*/, void* user) {
  const auto& passphrase = *static_cast<const Secret*>(user);
  std::string_view text = passphrase.Reveal();
  if (text.empty() || text.size() > static_cast<std::size_t>(size)) return -1;
  std::memcpy(buffer, text.data(), text.size());
  return static_cast<int>(text.size());
}

Secret EncryptedPem(const EVP_PKEY* key, const Secret& passphrase, Random& random) {
  KeyInfo info(EVP_PKEY2PKCS8(key));
  HF_CHECK(info != nullptr);
  std::array<std::uint8_t, kSaltBytes> salt;
  std::array<std::uint8_t, kIvBytes> iv;
  random.Fill(salt);
  random.Fill(iv);
  X509_ALGOR* algorithm =
      PKCS5_pbe2_set_scrypt(EVP_aes_256_cbc(), salt.data(), static_cast<int>(salt.size()),
                            iv.data(), kScryptN, kScryptR, kScryptP);
  HF_CHECK(algorithm != nullptr);
  std::string_view text = passphrase.Reveal();
  static_assert(kPassphraseBytesMax <= PEM_BUFSIZE);
  HF_CHECK(text.size() <= kPassphraseBytesMax);
  // Takes ownership of `algorithm`.
  EncryptedKey encrypted(
      PKCS8_set0_pbe(text.data(), static_cast<int>(text.size()), info.get(), algorithm));
  HF_CHECK(encrypted != nullptr);
  Bio memory = NewMemory();
  HF_CHECK(PEM_write_bio_PKCS8(memory.get(), encrypted.get()) == 1);
  return Secret(TextOf(memory.get()));
}

}  // namespace

KeyId KeyIdOf(const PublicKey& key) { return Sha256Of(key); }

std::string ShortKeyId(ByteView key_id) {
  return HexEncode(key_id.first(std::min<std::size_t>(key_id.size(), 8)));
}

Result<PublicKey> PublicKeyFromBytes(ByteView bytes) {
  PublicKey key;
  if (bytes.size() != key.size()) {
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("a public key of {} bytes; expected {}", bytes.size(), key.size()));
  }
  std::ranges::copy(bytes, key.begin());
  return key;
}

bool Verify(ByteView message, ByteView signature, const PublicKey& key) {
  if (signature.size() != kSignatureBytes) return false;
  Key pkey(EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, key.data(), key.size()));
  if (pkey == nullptr) return false;
  DigestContext context = NewDigestContext();
  HF_CHECK(EVP_DigestVerifyInit(context.get(), nullptr, nullptr, nullptr, pkey.get()) == 1);
  bool is_valid = EVP_DigestVerify(context.get(), signature.data(), signature.size(),
                                   message.data(), message.size()) == 1;
  ERR_clear_error();  // a failed verification leaves an error in the queue
  return is_valid;
}

struct SigningKey::State {
  Key key;
};

SigningKey::SigningKey(std::unique_ptr<State> state)
    : state_(std::move(state)),
      public_key_(RawPublicKey(state_->key.get())),
      id_(KeyIdOf(public_key_)) {}
SigningKey::SigningKey(SigningKey&& other) noexcept = default;
SigningKey& SigningKey::operator=(SigningKey&& other) noexcept = default;
SigningKey::~SigningKey() = default;

SigningKey SigningKey::Generate(Random& random) {
  std::array<std::uint8_t, kSeedBytes> seed;
  random.Fill(seed);
  SigningKey key = FromSeed(seed);
  Wipe(seed);
  return key;
}

SigningKey SigningKey::FromSeed(ByteView seed) {
  HF_CHECK(seed.size() == kSeedBytes);
  Key key(EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nullptr, seed.data(), seed.size()));
  HF_CHECK(key != nullptr);
  return SigningKey(std::make_unique<State>(std::move(key)));
}

Result<SigningKey> SigningKey::FromPem(const Secret& pem, const Secret& passphrase) {
  std::string_view text = pem.Reveal();
  const bool is_encrypted = IsEncrypted(pem);
  if (text.size() > 1U << 16 || (!is_encrypted && text.find(kPlainMark) == text.npos)) {
    return Fail(ErrorCode::kInvalidArgument, "not a private key in PEM (PKCS#8)",
                "the file begins with \"-----BEGIN PRIVATE KEY-----\" or \"-----BEGIN ENCRYPTED "
                "PRIVATE KEY-----\"");
  }
  if (is_encrypted && passphrase.empty()) {
    return Fail(ErrorCode::kDenied, "the private key is encrypted and there is no passphrase");
  }
  Bio memory = MemoryOf(text);
  // OpenSSL requires a pointer to non-const, and passes it on.
  Secret given = passphrase;
  Key key(PEM_read_bio_PrivateKey(memory.get(), nullptr, GivePassphrase, &given));
  ERR_clear_error();
  if (key == nullptr) {
    if (is_encrypted) {
      return Fail(ErrorCode::kDenied, "the passphrase is wrong, or the file is damaged");
    }
    return Fail(ErrorCode::kInvalidArgument, "the private key is damaged");
  }
  if (EVP_PKEY_is_a(key.get(), "ED25519") != 1) return NotEd25519(key.get(), "private key");
  return SigningKey(std::make_unique<State>(std::move(key)));
}

Signature SigningKey::Sign(ByteView message) const {
  DigestContext context = NewDigestContext();
  Signature signature;
  std::size_t size = signature.size();
  HF_CHECK(EVP_DigestSignInit(context.get(), nullptr, nullptr, nullptr, state_->key.get()) == 1);
  HF_CHECK(EVP_DigestSign(context.get(), signature.data(), &size, message.data(), message.size()) ==
               1 &&
           size == signature.size());
  return signature;
}

Secret SigningKey::ToPem(const Secret& passphrase, Random& random) const {
  if (!passphrase.empty()) return EncryptedPem(state_->key.get(), passphrase, random);
  Bio memory = NewMemory();
  HF_CHECK(PEM_write_bio_PKCS8PrivateKey(memory.get(), state_->key.get(), nullptr, nullptr, 0,
                                         nullptr, nullptr) == 1);
  return Secret(TextOf(memory.get()));
}

bool IsEncrypted(const Secret& pem) {
  return pem.Reveal().find(kEncryptedMark) != pem.Reveal().npos;
}

std::string PublicKeyToPem(const PublicKey& key) {
  Key pkey(EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, key.data(), key.size()));
  HF_CHECK(pkey != nullptr);
  Bio memory = NewMemory();
  HF_CHECK(PEM_write_bio_PUBKEY(memory.get(), pkey.get()) == 1);
  return TextOf(memory.get());
}

Result<PublicKey> PublicKeyFromPem(std::string_view pem) {
  Key key;
  if (pem.size() <= 1U << 16) {
    Bio memory = MemoryOf(pem);
    key.reset(PEM_read_bio_PUBKEY(memory.get(), nullptr, nullptr, nullptr));
    ERR_clear_error();
  }
  if (key == nullptr) {
    return Fail(ErrorCode::kInvalidArgument, "not a public key in PEM",
                "the file begins with \"-----BEGIN PUBLIC KEY-----\"");
  }
  if (EVP_PKEY_is_a(key.get(), "ED25519") != 1) return NotEd25519(key.get(), "public key");
  return RawPublicKey(key.get());
}

}  // namespace holdfast::crypto
