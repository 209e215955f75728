// Limits throughput in bytes per second.
#pragma once

#include <chrono>
#include <cstdint>
#include <mutex>
#include <utility>
#include <vector>

#include "common/base/clock.h"

namespace holdfast {

// May be shared; safe to use from several threads. Unused capacity is not saved up.
class RateLimit {
 public:
  // `clock` must outlive the object. REQUIRES: bytes_per_second > 0.
  RateLimit(std::uint64_t bytes_per_second, const Clock& clock);
  // Counts `bytes` and returns how long to wait until they may pass.
  std::chrono::nanoseconds Take(std::uint64_t bytes);

 private:
  const double bytes_per_second_;
  const Clock& clock_;
  std::mutex mutex_;
  Instant free_at_;  // when all counted bytes have passed
};

// Several limits that apply together, e.g. a source's own and the global one. They must outlive it.
class RateLimits {
 public:
  RateLimits() = default;
  explicit RateLimits(std::vector<RateLimit*> limits) : limits_(std::move(limits)) {}
  bool empty() const { return limits_.empty(); }
  // Takes from every limit; returns the longest wait.
  std::chrono::nanoseconds Take(std::uint64_t bytes) const;

 private:
  std::vector<RateLimit*> limits_;
};

}  // namespace holdfast
