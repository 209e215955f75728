// A rate limit: `at_once` tokens to start with, and a new one each `every`.
#pragma once

#include <algorithm>
#include <chrono>

#include "common/base/clock.h"

namespace holdfast::bus {

class TokenBucket {
 public:
  TokenBucket(int at_once, std::chrono::nanoseconds every, Instant now)
      : span_(at_once * every), every_(every), full_at_(now) {}

  // Takes a token if there is one. `now` must not go back.
  bool Take(Instant now) {
    // The state is the time when the bucket is full again; each token taken moves it on.
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
