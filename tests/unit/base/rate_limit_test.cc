#include "common/base/rate_limit.h"

#include "tests/support/catch.h"
#include "tests/support/manual_clock.h"

using namespace holdfast;
using namespace std::chrono_literals;

TEST_CASE("rate limit: successive requests wait for each other") {
  testing::ManualClock clock;
  RateLimit limit(1000, clock);

  CHECK(limit.Take(500) == 500ms);
  CHECK(limit.Take(250) == 750ms);
  clock.Advance(700ms);
  CHECK(limit.Take(1000) == 1050ms);
}

TEST_CASE("rate limit: idle time is not saved up") {
  testing::ManualClock clock;
  RateLimit limit(1000, clock);

  clock.Advance(1h);
  CHECK(limit.Take(100) == 100ms);
}

TEST_CASE("rate limit: the slowest of several limits decides, and each counts") {
  testing::ManualClock clock;
  RateLimit slow(100, clock);
  RateLimit fast(1000, clock);

  CHECK(RateLimits({&slow, &fast}).Take(100) == 1s);
  CHECK(fast.Take(100) == 200ms);
  CHECK(RateLimits().empty());
  CHECK(RateLimits().Take(100) == 0s);
}
