// Authenticated encryption as restic's format has it: AES-256-CTR and Poly1305-AES.
// Layout and keys: docs/repository-format.md#seal.
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

// Overwrites what must not stay in memory; the compiler cannot drop it.
void Wipe(std::span<std::uint8_t> bytes);

// Wiped when it goes.
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
  // Of 64 bytes in the order encrypt, k, r. REQUIRES: bytes.size() == 64.
  static SealKey FromBytes(ByteView bytes);
  // A key of its own for `label`, from which nobody learns anything of this one.
  SealKey Derive(std::string_view label) const;
  // Readers refuse keys that are zero where they must not be.
  bool IsValid() const;
};

inline constexpr std::size_t kSealIvBytes = 16;
inline constexpr std::size_t kSealMacBytes = 16;
inline constexpr std::size_t kSealOverhead = kSealIvBytes + kSealMacBytes;

// Seals and opens with one key. Keeps its cipher contexts between calls, which small blobs need;
// so one thread at a time per object.
class Sealer {
 public:
  // `random` gives the IVs and must outlive the object. REQUIRES: key.IsValid().
  Sealer(const SealKey& key, Random& random);
  Sealer(Sealer&& other) noexcept;
  Sealer& operator=(Sealer&& other) noexcept;
  ~Sealer();

  // REQUIRES: out.size() == kSealOverhead + plaintext.size(), and they do not overlap, unless the
  // plaintext lies where the ciphertext goes.
  void SealInto(ByteView plaintext, std::span<std::uint8_t> out);
  Bytes Seal(ByteView plaintext);
  // Seals what lies between kSealIvBytes and kSealMacBytes of room, where it is. REQUIRES:
  // bytes.size() >= kSealOverhead.
  void SealInPlace(std::span<std::uint8_t> bytes);
  // kCorrupt when the bytes were not sealed with this key. REQUIRES: sealed.size() == kSealOverhead
  // + out.size(), and they do not overlap.
  Result<void> OpenInto(ByteView sealed, std::span<std::uint8_t> out);
  // The plaintext in pieces that fit into the processor's cache, for who looks at each once: after
  // the whole has been authenticated, until `visit` returns false. kCorrupt as above, and for bytes
  // that are too few.
  Result<void> OpenInPieces(ByteView sealed, const std::function<bool(ByteView)>& visit);
  // kCorrupt also for bytes that are too few.
  Result<Bytes> Open(ByteView sealed);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace holdfast::crypto
