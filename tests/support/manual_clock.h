// A clock that changes only when a test moves it.
#pragma once

#include <atomic>
#include <chrono>

#include "common/base/clock.h"

namespace holdfast::testing {

class ManualClock final : public Clock {
 public:
  explicit ManualClock(std::int64_t unix_seconds = 1'700'000'000)
      : wall_(std::chrono::nanoseconds(std::chrono::seconds(unix_seconds)).count()) {}
  WallTime Now() const override { return WallTime(std::chrono::nanoseconds(wall_.load())); }
  Instant Monotonic() const override { return Instant(std::chrono::nanoseconds(steady_.load())); }
  void Advance(std::chrono::nanoseconds by) {
    wall_ += by.count();
    steady_ += by.count();
  }
  // Moves only the wall clock, as if someone set it.
  void Jump(std::chrono::nanoseconds by) { wall_ += by.count(); }

 private:
  std::atomic<std::int64_t> wall_;
  std::atomic<std::int64_t> steady_{0};
};

}  // namespace holdfast::testing
