#include "common/base/rate_limit.h"

#include <algorithm>

#include "common/base/result.h"

namespace holdfast {

RateLimit::RateLimit(std::uint64_t bytes_per_second, const Clock& clock)
    : bytes_per_second_(static_cast<double>(bytes_per_second)),
      clock_(clock),
      free_at_(clock.Monotonic()) {
  HF_CHECK(bytes_per_second > 0);
}

std::chrono::nanoseconds RateLimit::Take(std::uint64_t bytes) {
  const std::chrono::duration<double> takes(static_cast<double>(bytes) / bytes_per_second_);
  const Instant now = clock_.Monotonic();
  std::lock_guard lock(mutex_);
  free_at_ = std::max(free_at_, now) + std::chrono::duration_cast<std::chrono::nanoseconds>(takes);
  return free_at_ - now;
}

std::chrono::nanoseconds RateLimits::Take(std::uint64_t bytes) const {
  std::chrono::nanoseconds longest{0};
  for (RateLimit* limit : limits_) longest = std::max(longest, limit->Take(bytes));
  return longest;
}

}  // namespace holdfast
