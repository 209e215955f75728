// How fast work goes on, and when it will be done.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>

#include "common/base/clock.h"

namespace holdfast {

// Of one task. Given what it has done so far, about once a second or more often. Not safe to use
// from several threads.
class ProgressRate {
 public:
  // `moved`: bytes that were read or fetched; `all`: these and what was found unchanged.
  void Add(Instant now, std::uint64_t moved, std::uint64_t all);

  // Of `moved`; the mean of about the last five seconds.
  double bytes_per_second() const { return bytes_per_second_; }

  // Until `all` reaches `total`. It is known only when it can be trusted to be less than a few
  // times off:
  // - the total is known and not passed;
  // - it went on for five seconds at least;
  // - in the last minute, or since the begin, both halves were about as fast: neither took more
  //   than twice what the other did;
  // - it is no further away than 20 times what has passed since the begin.
  std::optional<double> SecondsLeft(std::uint64_t total) const;

 private:
  struct Point {
    Instant time;
    std::uint64_t all = 0;
  };
  void Restart(Instant now, std::uint64_t moved, std::uint64_t all);

  std::deque<Point> points_;  // one a second, of the last minute
  std::optional<Instant> begin_;
  Point newest_;
  Instant sampled_;
  std::uint64_t sampled_moved_ = 0;
  double bytes_per_second_ = 0;
};

}  // namespace holdfast
