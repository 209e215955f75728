// Injectable randomness: keys, IVs and ids come from a Random; tests pass a seeded one.
#pragma once

#include <cstdint>
#include <span>

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

}  // namespace holdfast
