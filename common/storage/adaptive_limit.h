// How many requests go to a server at once: as many as allowed until it says that it is too much,
// then half as many, and slowly more again (additive increase, multiplicative decrease).
#pragma once

#include <condition_variable>
#include <mutex>
#include <stop_token>

#include "common/base/clock.h"
#include "common/base/result.h"

namespace holdfast::s3 {

// Safe to use from several threads. `clock` outlives the object.
class AdaptiveLimit {
 public:
  AdaptiveLimit(unsigned most, const Clock& clock) : most_(most), clock_(clock), allowed_(most) {}

  // One request's place, given back when it goes.
  class Slot {
   public:
    explicit Slot(AdaptiveLimit& limit) : limit_(&limit) {}
    Slot(Slot&& other) noexcept : limit_(std::exchange(other.limit_, nullptr)) {}
    Slot& operator=(Slot&&) = delete;
    ~Slot() {
      if (limit_ != nullptr) limit_->Release();
    }

   private:
    AdaptiveLimit* limit_;
  };

  // Waits for a place. kCancelled when `stop` asks for it.
  Result<Slot> Acquire(std::stop_token stop);
  // The server took a request: one more is allowed after as many as are allowed now.
  void Succeeded();
  // The server said that there are too many. Answers to requests that were under way together
  // count once: none within a second after the first changes anything.
  void Congested();

  unsigned allowed() const;

 private:
  void Release();

  const unsigned most_;
  const Clock& clock_;
  mutable std::mutex mutex_;
  std::condition_variable_any freed_;
  double allowed_;  // at least 1
  unsigned in_use_ = 0;
  Instant quiet_until_{};
};

}  // namespace holdfast::s3
