// So many bytes a second and no more.
#pragma once

#include <chrono>
#include <cstdint>
#include <mutex>
#include <utility>
#include <vector>

#include "common/base/clock.h"

namespace holdfast {

// Shared by all who ask; safe to use from several threads. Time in which nobody asks is not saved
// up.
class RateLimit {
 public:
  // `clock` must outlive the object. REQUIRES: bytes_per_second > 0.
  RateLimit(std::uint64_t bytes_per_second, const Clock& clock);
  // Counts `bytes`, and says how long to wait before they may go on.
  std::chrono::nanoseconds Take(std::uint64_t bytes);

 private:
  const double bytes_per_second_;
  const Clock& clock_;
  std::mutex mutex_;
  Instant free_at_;  // when all that was counted has passed
};

// Several that hold at once, e.g. a source's own and that of all sources. They must outlive it.
class RateLimits {
 public:
  RateLimits() = default;
  explicit RateLimits(std::vector<RateLimit*> limits) : limits_(std::move(limits)) {}
  bool empty() const { return limits_.empty(); }
  // As RateLimit::Take(): the longest of them.
  std::chrono::nanoseconds Take(std::uint64_t bytes) const;

 private:
  std::vector<RateLimit*> limits_;
};

}  // namespace holdfast
