// Counts what a walk will return, while the walk itself is running.
#pragma once

#include <atomic>
#include <cstdint>
#include <thread>

#include "common/filetree/walker.h"

namespace holdfast::filetree {

class BackgroundCounter {
 public:
  // Counts up to `items_at_once` items before it returns. If there are more, counts everything on a
  // thread of low priority. `options.previous` is not used.
  BackgroundCounter(const WalkOptions& options, std::uint64_t items_at_once);
  BackgroundCounter(const BackgroundCounter&) = delete;
  BackgroundCounter& operator=(const BackgroundCounter&) = delete;

  // Size of all files' content; 0 until it is known.
  std::uint64_t bytes() const { return bytes_; }
  // Waits until everything is counted.
  void Wait();

 private:
  std::atomic<std::uint64_t> bytes_ = 0;
  std::jthread thread_;  // last: uses the members above, and is stopped first
};

}  // namespace holdfast::filetree
