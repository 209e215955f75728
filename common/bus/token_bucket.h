// A rate with a burst: `at_once` may pass at any time, and one more each `every`.
#pragma once

#include <algorithm>
#include <chrono>

#include "common/base/clock.h"

namespace holdfast::bus {

class TokenBucket {
 public:
  TokenBucket(int at_once, std::chrono::nanoseconds every, Instant now)
      : span_(at_once * every), every_(every), full_at_(now) {}

  // Whether one may pass now. `now` must not go back.
  bool Take(Instant now) {
    // The bucket is kept as the time when it is full again: each one that passes moves it on.
    Instant next = std::max(full_at_, now) + every_;
    if (next > now + span_) return false;
    full_at_ = next;
    return true;
  }

 private:
  std::chrono::nanoseconds span_;
  std::chrono::nanoseconds every_;
  Instant full_at_;
};

}  // namespace holdfast::bus
