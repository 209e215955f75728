#include "common/storage/adaptive_limit.h"

#include <optional>
#include <thread>

#include "tests/support/catch.h"
#include "tests/support/manual_clock.h"
#include "tests/support/results.h"

namespace holdfast::s3 {
namespace {
using namespace std::chrono_literals;
using testing::Unwrap;

TEST_CASE("adaptive limit: congestion halves it at most once a second, success raises it slowly") {
  testing::ManualClock clock;
  AdaptiveLimit limit(8, clock);

  limit.Congested();
  limit.Congested();  // at the same time
  REQUIRE(limit.allowed() == 4);
  clock.Advance(1s);
  limit.Congested();
  REQUIRE(limit.allowed() == 2);
  for (int i = 0; i < 10; ++i) {
    clock.Advance(1s);
    limit.Congested();
  }
  REQUIRE(limit.allowed() == 1);

  limit.Succeeded();
  REQUIRE(limit.allowed() == 2);
  limit.Succeeded();
  REQUIRE(limit.allowed() == 2);
  for (int i = 0; i < 100; ++i) limit.Succeeded();
  REQUIRE(limit.allowed() == 8);
}

TEST_CASE("adaptive limit: a call beyond the limit waits until another ends") {
  testing::ManualClock clock;
  AdaptiveLimit limit(1, clock);
  std::optional<AdaptiveLimit::Slot> first(Unwrap(limit.Acquire({})));
  std::atomic<bool> has_second = false;
  std::jthread second([&] {
    const AdaptiveLimit::Slot slot = Unwrap(limit.Acquire({}));
    has_second = true;
  });
  REQUIRE_FALSE(has_second);
  first.reset();
  second.join();
  REQUIRE(has_second);
}

TEST_CASE("adaptive limit: a stop ends the wait") {
  testing::ManualClock clock;
  AdaptiveLimit limit(1, clock);
  const AdaptiveLimit::Slot slot = Unwrap(limit.Acquire({}));
  std::stop_source stop;
  std::jthread stopper([&] { stop.request_stop(); });
  REQUIRE_FAILS(limit.Acquire(stop.get_token()), ErrorCode::kCancelled, "stopped");
}

}  // namespace
}  // namespace holdfast::s3
