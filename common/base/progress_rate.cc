#include "common/base/progress_rate.h"

#include <algorithm>
#include <chrono>

namespace holdfast {
namespace {

using std::chrono::seconds;

constexpr seconds kWindow(60);
constexpr seconds kPointEvery(1);
constexpr double kMeanSeconds = 5;
// In seconds. Samples that are closer together give no useful rate.
constexpr double kSampleMin = 0.05;
constexpr double kHistoryMin = 5;
constexpr double kSteadyRatio = 2;
constexpr double kHorizon = 20;

double SecondsBetween(Instant from, Instant to) {
  return std::chrono::duration<double>(to - from).count();
}

}  // namespace

void ProgressRate::Restart(Instant now, std::uint64_t moved, std::uint64_t all) {
  points_.assign({{now, all}});
  begin_ = now;
  newest_ = {now, all};
  sampled_ = now;
  sampled_moved_ = moved;
  bytes_per_second_ = 0;
}

void ProgressRate::Add(Instant now, std::uint64_t moved, std::uint64_t all) {
  // A counter that went back counts something new.
  if (!begin_ || all < newest_.all) return Restart(now, moved, all);
  // The two counters are not read atomically, so their difference may go back a little.
  moved = std::max(moved, sampled_moved_);
  // Time before the first byte does not count.
  if (newest_.all == 0) {
    points_.assign({{sampled_, newest_.all}});
    begin_ = sampled_;
  }
  newest_ = {now, all};
  const double passed = SecondsBetween(sampled_, now);
  if (passed < kSampleMin) return;
  const double rate = static_cast<double>(moved - sampled_moved_) / passed;
  const double weight = std::min(1.0, passed / kMeanSeconds);
  bytes_per_second_ =
      bytes_per_second_ == 0 ? rate : bytes_per_second_ * (1 - weight) + rate * weight;
  sampled_ = now;
  sampled_moved_ = moved;
  if (now - points_.back().time >= kPointEvery) points_.push_back(newest_);
  while (points_.size() > 1 && now - points_[1].time >= kWindow) points_.pop_front();
}

std::optional<double> ProgressRate::SecondsLeft(std::uint64_t total) const {
  if (!begin_ || total == 0 || newest_.all > total) return std::nullopt;
  const Point& oldest = points_.front();
  const double watched = SecondsBetween(oldest.time, newest_.time);
  if (watched < kHistoryMin) return std::nullopt;
  const Instant middle_time = oldest.time + (newest_.time - oldest.time) / 2;
  const auto middle =
      std::ranges::find_if(points_, [&](const Point& point) { return point.time >= middle_time; });
  if (middle == points_.end() || middle->time == oldest.time) return std::nullopt;
  const double older = SecondsBetween(oldest.time, middle->time);
  const double newer = SecondsBetween(middle->time, newest_.time);
  if (newer <= 0) return std::nullopt;
  const double older_rate = static_cast<double>(middle->all - oldest.all) / older;
  const double newer_rate = static_cast<double>(newest_.all - middle->all) / newer;
  if (older_rate > newer_rate * kSteadyRatio || newer_rate > older_rate * kSteadyRatio) {
    return std::nullopt;
  }
  const double rate = static_cast<double>(newest_.all - oldest.all) / watched;
  if (rate <= 0) return std::nullopt;
  const double left = static_cast<double>(total - newest_.all) / rate;
  if (left > kHorizon * SecondsBetween(*begin_, newest_.time)) return std::nullopt;
  return left;
}

}  // namespace holdfast
