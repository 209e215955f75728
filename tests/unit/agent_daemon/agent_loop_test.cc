#include "agent/daemon/agent_loop.h"

#include <string>

#include "tests/support/catch.h"
#include "tests/support/test_bus.h"

namespace holdfast::agent {
namespace {

using bus::testing::TestBus;

// What the agent logs after a real refusal. The reason of a refusal is only text.
std::string LoggedRefusal(const bus::BusClientOptions& options) {
  const auto node = bus::testing::Join(options);
  return RefusalText(bus::testing::Next(*node, bus::BusEvent::Kind::kRefused), "db-1");
}

TEST_CASE("agent loop: the log names trust pin if the bus key differs") {
  TestBus place;
  bus::BusClientOptions options = place.Node("db-1");
  options.server.key = bus::GenerateCurveKeys(bus::testing::Chance()).public_key;

  CHECK_THAT(LoggedRefusal(options), Catch::Contains("aborts the handshake") &&
                                         Catch::Contains("holdfast-agent trust pin FILE"));
}

TEST_CASE("agent loop: the log names agent token if the agent's key is not accepted") {
  const TestBus place;

  CHECK_THAT(LoggedRefusal(place.Stranger()),
             Catch::Contains("does not accept this key") &&
                 Catch::Contains("holdfast agent token db-1 --rejoin") &&
                 Catch::Contains("holdfast-agent join"));
}

}  // namespace
}  // namespace holdfast::agent
