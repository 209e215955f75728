#include "common/io/reachability.h"

#include "tests/support/catch.h"
#include "tests/support/loopback_listener.h"
#include "tests/support/results.h"

namespace holdfast {
namespace {
using std::chrono::milliseconds;

std::string PortOf(const testing::LoopbackListener& listener) {
  return listener.authority.substr(listener.authority.find(':') + 1);
}

TEST_CASE("reachability: a listening host is reachable") {
  const testing::LoopbackListener listener;
  REQUIRE_OK(CheckReachable("127.0.0.1", PortOf(listener), milliseconds(10'000)));
}

TEST_CASE("reachability: a refused connection and an unknown host name are named") {
  std::string port;
  {
    const testing::LoopbackListener listener;
    port = PortOf(listener);
  }
  REQUIRE_FAILS(CheckReachable("127.0.0.1", port, milliseconds(10'000)), ErrorCode::kUnavailable,
                "connect to \"127.0.0.1:" + port + "\": connection refused");
  REQUIRE_FAILS(CheckReachable(testing::UnknownHost(), "7735", milliseconds(10'000)),
                ErrorCode::kNotFound, "could not resolve host \"" + testing::UnknownHost() + "\"");
}

}  // namespace
}  // namespace holdfast
