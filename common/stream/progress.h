// Progress of long work. The worker counts and the display reads, without waiting for each other.
#pragma once

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
