// How far long work is. The worker counts, whoever shows it reads; neither waits for the other.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <string>

namespace holdfast {

// Safe to use from several threads. Totals are 0 where unknown.
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
  // Content that was found where it belongs, so that nothing was read or moved.
  void AddUnchanged(std::uint64_t count) {
    // In this order a reader never takes them for moved.
    bytes_unchanged += count;
    bytes += count;
  }
  std::atomic<std::uint64_t> items{0};
  std::atomic<std::uint64_t> bytes{0};            // moved or found unchanged
  std::atomic<std::uint64_t> bytes_unchanged{0};  // of these
  std::atomic<std::uint64_t> items_total{0};
  std::atomic<std::uint64_t> bytes_total{0};

 private:
  mutable std::mutex mutex_;
  std::string phase_;
};

}  // namespace holdfast
