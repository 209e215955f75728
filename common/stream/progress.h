// Progress of long work. The worker counts and the display reads, without waiting for each other.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <mutex>
#include <string>

namespace holdfast {

// Safe to use from several threads. Totals are 0 if unknown.
class Progress {
 public:
  void SetPhase(std::string phase) {
    std::lock_guard lock(mutex_);
    phase_ = std::move(phase);
  }
  std::string phase() const {
    std::lock_guard lock(mutex_);
    return phase_;
  }
  // Counts content that was already in place, so that nothing was read or moved.
  void AddUnchanged(std::uint64_t count) {
    // In this order a reader never counts these bytes as moved.
    bytes_unchanged += count;
    bytes += count;
  }
  // Raises the totals if they do not include this much more work yet. For a step that does not know
  // whether it is the only one.
  void ExpectMore(std::uint64_t more_items, std::uint64_t more_bytes) {
    items_total = std::max(items_total.load(), items + more_items);
    bytes_total = std::max(bytes_total.load(), bytes + more_bytes);
  }
  std::atomic<std::uint64_t> items{0};
  std::atomic<std::uint64_t> bytes{0};            // moved or found unchanged
  std::atomic<std::uint64_t> bytes_unchanged{0};  // included in `bytes`
  std::atomic<std::uint64_t> items_total{0};
  std::atomic<std::uint64_t> bytes_total{0};

 private:
  mutable std::mutex mutex_;
  std::string phase_;
};

}  // namespace holdfast
