// Deterministic pseudorandom numbers from a seed (splitmix64). Not for real keys.
#pragma once

#include <mutex>

#include "common/base/random.h"

namespace holdfast::testing {

class SeededRandom final : public Random {
 public:
  explicit SeededRandom(std::uint64_t seed = 1) : state_(seed) {}
  void Fill(std::span<std::uint8_t> bytes) override {
    std::lock_guard lock(mutex_);
    for (std::uint8_t& byte : bytes) byte = static_cast<std::uint8_t>(Next() >> 56);
  }
  std::uint64_t Next64() {
    std::lock_guard lock(mutex_);
    return Next();
  }

 private:
  std::uint64_t Next() {
    std::uint64_t z = (state_ += 0x9e3779b97f4a7c15ULL);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31);
  }
  std::mutex mutex_;
  std::uint64_t state_;
};

}  // namespace holdfast::testing
