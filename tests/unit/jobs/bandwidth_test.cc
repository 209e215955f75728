#include "agent/jobs/session/bandwidth.h"

#include "tests/support/catch.h"
#include "tests/support/manual_clock.h"

namespace holdfast::jobs {
namespace {

using namespace std::chrono_literals;

TEST_CASE("bandwidth: a source's own limit and the global limit") {
  testing::ManualClock clock;
  AgentSettings settings;
  settings.limits = {.read_mib_s = 10, .write_mib_s = 20};
  settings.repositories.resize(2);
  settings.repositories[0].name = "main";
  settings.repositories[1].name = "other";
  settings.repositories[0].read_mib_s = 4;
  settings.repositories[0].write_mib_s = 5;
  settings.sources.resize(2);
  settings.sources[0].kind = settings.sources[1].kind = "files";
  settings.sources[0].name = "a";
  settings.sources[1].name = "b";
  settings.sources[0].read_mib_s = 1;
  const Bandwidth bandwidth(settings, clock);

  CHECK(bandwidth.OfSource("files/a").Take(1U << 20) == 1s);
  CHECK(bandwidth.OfSource("files/b").Take(1U << 20) == 200ms);  // waits for the other source
  CHECK(bandwidth.ToRepository("main").Take(1U << 20) == 200ms);
  CHECK(bandwidth.ToRepository("other").Take(1U << 20) == 100ms);
  CHECK(bandwidth.FromRepository("main").Take(1U << 20) == 250ms);
  CHECK(bandwidth.FromRepository("other").empty());
}

TEST_CASE("bandwidth: without limits nothing waits") {
  CHECK(Bandwidth().OfSource("files/a").empty());
  CHECK(Bandwidth().ToRepository("main").empty());
}

}  // namespace
}  // namespace holdfast::jobs
