// SHA-256 (FIPS 180-4), HMAC-SHA-256 (RFC 2104) and HKDF-SHA-256 (RFC 5869).
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string_view>

#include "common/base/bytes.h"

namespace holdfast::crypto {

using Digest = std::array<std::uint8_t, 32>;

// Of all of `bytes` at once; the quickest way for what is in memory. Safe from several threads.
Digest Sha256Of(ByteView bytes);

// Of bytes that arrive piece by piece. One object for any number of messages, one thread at a time.
class Sha256 {
 public:
  Sha256();
  Sha256(Sha256&& other) noexcept;
  Sha256& operator=(Sha256&& other) noexcept;
  ~Sha256();
  void Update(ByteView bytes);
  // The digest of what was fed since the start or the last Finish(); begins a new message.
  Digest Finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

Digest HmacSha256(ByteView key, ByteView message);

// Takes as long whatever differs, so that nobody can guess a MAC byte by byte. Different lengths
// are different at once: lengths are no secret.
bool EqualInConstantTime(ByteView a, ByteView b);

// `size` bytes for the purpose `label`, from a secret that is uniformly random already or not, with
// an empty salt. REQUIRES: size <= 8160.
Bytes HkdfSha256(ByteView secret, std::string_view label, std::size_t size);

}  // namespace holdfast::crypto
