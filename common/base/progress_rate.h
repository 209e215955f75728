// Estimates throughput and remaining time.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>

#include "common/base/clock.h"

namespace holdfast {

// The rate of one task, sampled about once a second or more often. Not thread-safe.
class ProgressRate {
 public:
  // Totals so far: `moved` counts bytes read or fetched; `all` also counts unchanged bytes.
  void Add(Instant now, std::uint64_t moved, std::uint64_t all);

  // The rate of `moved`, averaged over about the last five seconds.
  double bytes_per_second() const { return bytes_per_second_; }

  // Estimated seconds until `all` reaches `total`; nullopt if the estimate might be wrong by more
  // than a small factor. It is given only if:
  // - the total is known and not exceeded;
  // - the task has been watched for at least five seconds;
  // - in the last minute, or since the start, both halves had similar rates: neither was more than
  //   twice as fast as the other;
  // - it is at most 20 times the time since the start.
  std::optional<double> SecondsLeft(std::uint64_t total) const;

 private:
  struct Point {
    Instant time;
    std::uint64_t all = 0;
  };
  void Restart(Instant now, std::uint64_t moved, std::uint64_t all);

  std::deque<Point> points_;  // one per second, for the last minute
  std::optional<Instant> begin_;
  Point newest_;
  Instant sampled_;
  std::uint64_t sampled_moved_ = 0;
  double bytes_per_second_ = 0;
};

}  // namespace holdfast
