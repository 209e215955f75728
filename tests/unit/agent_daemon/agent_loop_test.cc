#include "agent/daemon/agent_loop.h"

#include <string>

#include "tests/support/catch.h"
#include "tests/support/test_bus.h"

namespace holdfast::agent {
namespace {

using bus::testing::TestBus;

// What a real refusal, whose reason is only text, makes the agent log.
std::string LoggedRefusal(const bus::BusClientOptions& options) {
  const auto node = bus::testing::Join(options);
  return RefusalText(bus::testing::Next(*node, bus::BusEvent::Kind::kRefused), "db-1");
}

TEST_CASE("agent loop: a bus key that differs leads to trust pin") {
  TestBus place;
  bus::BusClientOptions options = place.Node("db-1");
  options.server.key = bus::GenerateCurveKeys(bus::testing::Chance()).public_key;

  CHECK_THAT(LoggedRefusal(options), Catch::Contains("aborts the handshake") &&
                                         Catch::Contains("holdfast-agent trust pin FILE"));
}

TEST_CASE("agent loop: a key that is not accepted leads to a new token") {
  const TestBus place;

  CHECK_THAT(LoggedRefusal(place.Stranger()),
             Catch::Contains("does not accept this key") &&
                 Catch::Contains("holdfast agent token db-1 --rejoin") &&
                 Catch::Contains("holdfast-agent join"));
}

}  // namespace
}  // namespace holdfast::agent
