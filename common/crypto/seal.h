// Authenticated encryption of restic's format: AES-256-CTR and Poly1305-AES. Layout and keys:
// docs/repository-format.md#seal.
//
// This room wraps OpenSSL: hashes (sha256.h), signatures (ed25519.h), key derivation (scrypt.h),
// TLS settings (tls.h) and the encryption in this header. It knows bytes and keys, but not where
// they are stored or what they protect.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string_view>

#include "common/base/bytes.h"
#include "common/base/random.h"
#include "common/base/result.h"

namespace holdfast::crypto {

// Overwrites secrets in memory. The compiler cannot remove it.
void Wipe(std::span<std::uint8_t> bytes);

// Wiped on destruction.
struct SealKey {
  std::array<std::uint8_t, 32> encrypt{};
  std::array<std::uint8_t, 16> mac_k{};
  std::array<std::uint8_t, 16> mac_r{};

  SealKey() = default;
  SealKey(const SealKey&) = default;
  SealKey& operator=(const SealKey&) = default;
  ~SealKey();
  bool operator==(const SealKey&) const = default;

  static SealKey Generate(Random& random);
  // From 64 bytes in the order encrypt, k, r. REQUIRES: bytes.size() == 64.
  static SealKey FromBytes(ByteView bytes);
  // Derives a separate key for `label`, which reveals nothing about this one.
  SealKey Derive(std::string_view label) const;
  // Whether every part is nonzero. Readers refuse other keys.
  bool IsValid() const;
};

inline constexpr std::size_t kSealIvBytes = 16;
inline constexpr std::size_t kSealMacBytes = 16;
inline constexpr std::size_t kSealOverhead = kSealIvBytes + kSealMacBytes;

// Seals and opens with one key. Keeps its cipher contexts between calls, which small blobs need.
// One thread at a time.
class Sealer {
 public:
  // `random` provides the IVs and must outlive the object. REQUIRES: key.IsValid().
  Sealer(const SealKey& key, Random& random);
  Sealer(Sealer&& other) noexcept;
  Sealer& operator=(Sealer&& other) noexcept;
  ~Sealer();

  // REQUIRES: out.size() == kSealOverhead + plaintext.size(), and they do not overlap, unless
  // `plaintext` is exactly where the ciphertext goes.
  void SealInto(ByteView plaintext, std::span<std::uint8_t> out);
  Bytes Seal(ByteView plaintext);
  // Seals in place the bytes between kSealIvBytes of room before and kSealMacBytes after them.
  // REQUIRES: bytes.size() >= kSealOverhead.
  void SealInPlace(std::span<std::uint8_t> bytes);
  // kCorrupt when the bytes were not sealed with this key. REQUIRES: sealed.size() == kSealOverhead
  // + out.size(), and they do not overlap.
  Result<void> OpenInto(ByteView sealed, std::span<std::uint8_t> out);
  // Passes the plaintext to `visit` in pieces that fit into the CPU cache, for callers that read it
  // once. Authenticates the whole first, then continues until `visit` returns false. kCorrupt as
  // above, and for too few bytes.
  Result<void> OpenInPieces(ByteView sealed, const std::function<bool(ByteView)>& visit);
  // kCorrupt also for too few bytes.
  Result<Bytes> Open(ByteView sealed);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace holdfast::crypto
