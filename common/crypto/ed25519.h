// Ed25519 (RFC 8032): keys, signatures, and the text that keys are kept in (PKCS#8 and
// SubjectPublicKeyInfo as PEM, readable with stock `openssl pkey`).
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
inline constexpr std::size_t kPassphraseBytesMax = 1024;  // as OpenSSL's own programs have it

using PublicKey = std::array<std::uint8_t, kPublicKeyBytes>;
using Signature = std::array<std::uint8_t, kSignatureBytes>;
// SHA-256 of the 32 bytes of the public key; what messages call a key by.
using KeyId = Digest;

KeyId KeyIdOf(const PublicKey& key);
// The first 16 hexadecimal digits, enough for people.
std::string ShortKeyId(ByteView key_id);

// kInvalidArgument unless there are 32 bytes.
Result<PublicKey> PublicKeyFromBytes(ByteView bytes);

// Whether `signature` is `key`'s over exactly `message`. False, too, for signatures and keys of
// the wrong length or form. Safe from several threads.
bool Verify(ByteView message, ByteView signature, const PublicKey& key);

// A key pair, wiped when it goes. Signing is safe from several threads at once.
class SigningKey {
 public:
  static SigningKey Generate(Random& random);
  // Of the 32 secret bytes of RFC 8032. REQUIRES: seed.size() == 32.
  static SigningKey FromSeed(ByteView seed);
  // PKCS#8 in PEM, encrypted or not. kDenied when a passphrase is missing or wrong (see
  // IsEncrypted), kInvalidArgument when it is no such text or another kind of key.
  static Result<SigningKey> FromPem(const Secret& pem, const Secret& passphrase = {});

  SigningKey(SigningKey&& other) noexcept;
  SigningKey& operator=(SigningKey&& other) noexcept;
  ~SigningKey();

  const PublicKey& public_key() const { return public_key_; }
  const KeyId& id() const { return id_; }

  Signature Sign(ByteView message) const;

  // PKCS#8 in PEM. With a passphrase it is encrypted by AES-256-CBC under scrypt (RFC 7914), so
  // that guessing costs; `random` gives salt and IV.
  // REQUIRES: a passphrase of at most kPassphraseBytesMax.
  Secret ToPem(const Secret& passphrase, Random& random) const;

 private:
  struct State;
  explicit SigningKey(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
  PublicKey public_key_{};
  KeyId id_{};
};

// Whether the PEM text holds an encrypted private key: then FromPem needs its passphrase.
bool IsEncrypted(const Secret& pem);

std::string PublicKeyToPem(const PublicKey& key);
// kInvalidArgument when it is not a public key in PEM, or another kind of key.
Result<PublicKey> PublicKeyFromPem(std::string_view pem);

}  // namespace holdfast::crypto
