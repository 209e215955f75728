// How much a walk will give, counted while the walk itself goes on.
#pragma once

#include <atomic>
#include <cstdint>
#include <thread>

#include "common/filetree/walker.h"

namespace holdfast::filetree {

class CountAhead {
 public:
  // Counts up to `items_at_once` items before it returns. What has more it counts on a thread that
  // takes what processor time others leave. `options.previous` is not used.
  CountAhead(const WalkOptions& options, std::uint64_t items_at_once);
  CountAhead(const CountAhead&) = delete;
  CountAhead& operator=(const CountAhead&) = delete;

  // Content of all files; 0 until that is known.
  std::uint64_t bytes() const { return bytes_; }
  // Until all is counted.
  void Wait();

 private:
  std::atomic<std::uint64_t> bytes_ = 0;
  std::jthread thread_;  // last: uses all of the above, and is stopped first
};

}  // namespace holdfast::filetree
