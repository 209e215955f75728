// Limits concurrent requests to a server: halves the limit when the server reports congestion, then
// raises it slowly (additive increase, multiplicative decrease).
#pragma once

#include <condition_variable>
#include <mutex>
#include <stop_token>

#include "common/base/clock.h"
#include "common/base/result.h"

namespace holdfast::s3 {

// Thread-safe. `clock` must outlive the object.
class AdaptiveLimit {
 public:
  AdaptiveLimit(unsigned most, const Clock& clock) : most_(most), clock_(clock), allowed_(most) {}

  // The right to one request; returned on destruction.
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

  // Waits for a free slot. kCancelled on `stop`.
  Result<Slot> Acquire(std::stop_token stop);
  // The server accepted a request. The limit grows by one per allowed() of these.
  void Succeeded();
  // The server reported congestion: halves the limit, at most once a second, because concurrent
  // requests fail together.
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
