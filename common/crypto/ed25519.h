// Ed25519 (RFC 8032): keys, signatures, and key files (PKCS#8 and SubjectPublicKeyInfo as PEM,
// readable with stock `openssl pkey`).
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "common/base/bytes.h"
#include "common/base/random.h"
#include "common/base/result.h"
#include "common/base/secret.h"
#include "common/crypto/sha256.h"

namespace holdfast::crypto {

inline constexpr std::size_t kPublicKeyBytes = 32;
inline constexpr std::size_t kSignatureBytes = 64;
inline constexpr std::size_t kPassphraseBytesMax = 1024;  // the limit of OpenSSL's own programs

using PublicKey = std::array<std::uint8_t, kPublicKeyBytes>;
using Signature = std::array<std::uint8_t, kSignatureBytes>;
// SHA-256 of the 32 bytes of the public key. Messages refer to keys by it.
using KeyId = Digest;

KeyId KeyIdOf(const PublicKey& key);
// The first 16 hexadecimal digits, enough to show to users.
std::string ShortKeyId(ByteView key_id);

// kInvalidArgument unless `bytes` has 32 bytes.
Result<PublicKey> PublicKeyFromBytes(ByteView bytes);

// Whether `signature` is a valid signature of exactly `message` by `key`. Also false for a
// signature or key of the wrong length or form. Thread-safe.
bool Verify(ByteView message, ByteView signature, const PublicKey& key);

// A key pair, wiped on destruction. Signing is thread-safe.
class SigningKey {
 public:
  static SigningKey Generate(Random& random);
  // From the 32 secret bytes of RFC 8032. REQUIRES: seed.size() == 32.
  static SigningKey FromSeed(ByteView seed);
  // From PKCS#8 in PEM, encrypted or not. kDenied when the passphrase is missing or wrong (see
  // IsEncrypted), kInvalidArgument for malformed text or another kind of key.
  static Result<SigningKey> FromPem(const Secret& pem, const Secret& passphrase = {});

  SigningKey(SigningKey&& other) noexcept;
  SigningKey& operator=(SigningKey&& other) noexcept;
  ~SigningKey();

  const PublicKey& public_key() const { return public_key_; }
  const KeyId& id() const { return id_; }

  Signature Sign(ByteView message) const;

  // PKCS#8 in PEM. With a passphrase it is encrypted with AES-256-CBC and scrypt (RFC 7914), which
  // makes guessing expensive; `random` provides salt and IV. REQUIRES: a passphrase of at most
  // kPassphraseBytesMax.
  Secret ToPem(const Secret& passphrase, Random& random) const;

 private:
  struct State;
  explicit SigningKey(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
  PublicKey public_key_{};
  KeyId id_{};
};

// Whether the PEM text is an encrypted private key, for which FromPem() needs a passphrase.
bool IsEncrypted(const Secret& pem);

std::string PublicKeyToPem(const PublicKey& key);
// kInvalidArgument when it is not a public key in PEM, or another kind of key.
Result<PublicKey> PublicKeyFromPem(std::string_view pem);

}  // namespace holdfast::crypto
