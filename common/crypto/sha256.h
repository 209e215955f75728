// SHA-256 (FIPS 180-4), HMAC-SHA-256 (RFC 2104) and HKDF-SHA-256 (RFC 5869).
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string_view>

#include "common/base/bytes.h"

namespace holdfast::crypto {

inline constexpr std::size_t kDigestBytes = 32;
using Digest = std::array<std::uint8_t, kDigestBytes>;

// Digest of all `bytes`; the fastest way for data in memory. Thread-safe.
Digest Sha256Of(ByteView bytes);

// Digest of bytes that arrive in pieces, for any number of messages. One thread at a time.
class Sha256 {
 public:
  Sha256();
  Sha256(Sha256&& other) noexcept;
  Sha256& operator=(Sha256&& other) noexcept;
  ~Sha256();
  void Update(ByteView bytes);
  // The digest of the bytes since the start or the last Finish(). Begins a new message.
  Digest Finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

Digest HmacSha256(ByteView key, ByteView message);

// Takes the same time wherever the bytes differ, so that a MAC cannot be guessed byte by byte.
// Different lengths return at once: lengths are not secret.
bool EqualInConstantTime(ByteView a, ByteView b);

// Derives `size` bytes for the purpose `label`, with an empty salt. `secret` need not be uniformly
// random. REQUIRES: size <= 8160.
Bytes HkdfSha256(ByteView secret, std::string_view label, std::size_t size);

}  // namespace holdfast::crypto
