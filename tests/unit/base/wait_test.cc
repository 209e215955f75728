#include "common/base/wait.h"

#include <thread>

#include "common/base/clock.h"
#include "tests/support/catch.h"

using namespace holdfast;
using namespace std::chrono_literals;

TEST_CASE("wait: lasts the whole time unless a stop is requested") {
  const SystemClock clock;
  const Instant begin = clock.Monotonic();
  CHECK(WaitFor(5ms));
  CHECK(clock.Monotonic() - begin >= 5ms);
  CHECK(WaitFor(0ms));

  std::stop_source source;
  CHECK(WaitFor(1ms, source.get_token()));
  std::jthread other([&] { source.request_stop(); });
  CHECK_FALSE(WaitFor(1h, source.get_token()));
  CHECK_FALSE(WaitFor(1h, source.get_token()));
}
