#include "common/storage/adaptive_limit.h"

#include <algorithm>

namespace holdfast::s3 {

Result<AdaptiveLimit::Slot> AdaptiveLimit::Acquire(std::stop_token stop) {
  std::unique_lock lock(mutex_);
  const bool is_free = freed_.wait(lock, std::move(stop),
                                   [this] { return in_use_ < static_cast<unsigned>(allowed_); });
  if (!is_free) return Stopped();
  ++in_use_;
  return Slot(*this);
}

void AdaptiveLimit::Release() {
  std::lock_guard lock(mutex_);
  --in_use_;
  freed_.notify_one();
}

void AdaptiveLimit::Succeeded() {
  std::lock_guard lock(mutex_);
  const auto before = static_cast<unsigned>(allowed_);
  allowed_ = std::min(static_cast<double>(most_), allowed_ + 1 / allowed_);
  if (static_cast<unsigned>(allowed_) > before) freed_.notify_one();
}

void AdaptiveLimit::Congested() {
  std::lock_guard lock(mutex_);
  const Instant now = clock_.Monotonic();
  if (now < quiet_until_) return;
  allowed_ = std::max(1.0, allowed_ / 2);
  quiet_until_ = now + std::chrono::seconds(1);
}

unsigned AdaptiveLimit::allowed() const {
  std::lock_guard lock(mutex_);
  return static_cast<unsigned>(allowed_);
}

}  // namespace holdfast::s3
