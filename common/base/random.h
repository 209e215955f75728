// Injectable randomness: keys, IVs and ids come from a Random; tests pass a seeded one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace holdfast {

// Safe to call from several threads.
class Random {
 public:
  virtual ~Random() = default;
  virtual void Fill(std::span<std::uint8_t> bytes) = 0;
};

// The kernel's cryptographic generator, getrandom(2). Aborts if that fails.
class SystemRandom final : public Random {
 public:
  void Fill(std::span<std::uint8_t> bytes) override;
};

// A random number in [0, limit), or 0 if `limit` is 0. Not for keys: the modulo has a small bias.
std::uint64_t RandomBelow(Random& random, std::uint64_t limit);
// `bytes` random bytes as lower-case hexadecimal.
std::string RandomHex(Random& random, std::size_t bytes);

}  // namespace holdfast
