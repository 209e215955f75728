#include "controller/daemon/bus_key.h"

#include <vector>

#include "tests/support/catch.h"
#include "tests/support/results.h"
#include "tests/support/trust_fixture.h"

namespace holdfast::controller {
namespace {

using testing::TrustFixture;
using testing::Unwrap;

trust::BusKey Key(char fill) {
  trust::BusKey key{};
  key.fill(static_cast<std::uint8_t>(fill));
  return key;
}

trust::RootDocument Root(const TrustFixture& trust, std::uint64_t version, char bus_key) {
  v1::RootDocument document = trust.Document();
  document.set_version(version);
  document.set_bus_key(std::string(32, bus_key));
  return trust.Root(document);
}

AgentStatus StatusOf(const std::string& node, std::uint64_t root_version, bool revoked = false) {
  AgentStatus status;
  status.record.node = node;
  status.record.root_version = root_version;
  status.record.revoked = revoked;
  return status;
}

}  // namespace

TEST_CASE("bus key: a controller may have the key in force, or the one before it") {
  struct Example {
    std::string versions;  // the bus keys of the versions 1, 2, ...
    char own = 0;
    std::string expected;  // "in force", "former", "refused"
  };
  for (const Example& example :
       {Example{"a", 'a', "in force"}, Example{"a", 'x', "refused"}, Example{"ab", 'b', "in force"},
        Example{"ab", 'a', "former"}, Example{"abb", 'a', "former"}, Example{"abc", 'a', "refused"},
        Example{"abc", 'b', "former"}, Example{"aba", 'a', "in force"},
        Example{"aba", 'b', "former"}}) {
    INFO(example.versions << " " << example.own);
    BusKeyVersions versions;
    for (const char key : example.versions) versions[versions.size() + 1] = Key(key);
    const Result<bool> is_former = IsFormerBusKey(versions, Key(example.own), "bus.curve");
    if (example.expected == "refused") {
      REQUIRE_FAILS(is_former, ErrorCode::kDenied, "bus.curve");
      REQUIRE_FAILS(is_former, ErrorCode::kDenied, "--bus-key");
    } else {
      CHECK(Unwrap(is_former) == (example.expected == "former"));
    }
  }
}

TEST_CASE("bus key: a document that would leave the controller without a valid key is refused") {
  const TrustFixture trust;
  const trust::RootDocument current = Root(trust, 2, 'b');
  CHECK(CheckNextBusKey(current, Root(trust, 3, 'b'), Key('b')));
  CHECK(CheckNextBusKey(current, Root(trust, 3, 'c'), Key('b')));
  // The controller still has the former key.
  CHECK(CheckNextBusKey(current, Root(trust, 3, 'b'), Key('a')));
  CHECK(CheckNextBusKey(current, Root(trust, 3, 'a'), Key('a')));
  REQUIRE_FAILS(CheckNextBusKey(current, Root(trust, 3, 'c'), Key('a')), ErrorCode::kDenied,
                "install that key first");
}

TEST_CASE("bus key: status names the agents that have not confirmed the document") {
  const TrustFixture trust;
  const trust::RootDocument root = Root(trust, 3, 'c');
  std::vector<AgentStatus> agents = {StatusOf("db-2", 2), StatusOf("db-1", 3),
                                     StatusOf("old", 1, true)};
  CHECK_FALSE(BusKeyProblem(root, Key('c'), agents));

  const auto waiting = BusKeyProblem(root, Key('b'), agents);
  REQUIRE(waiting);
  CHECK(waiting->condition() == "bus_key_not_installed");
  CHECK_THAT(waiting->message(),
             Catch::Contains("waits for 1 of 2 agents to confirm root document 3: db-2"));
  const auto one = BusKeyProblem(root, Key('b'), {agents.data(), 1});
  CHECK_THAT(one.value().message(), Catch::Contains("waits for 1 of 1 agent to confirm"));
  CHECK_THAT(waiting->hint(), Catch::Contains("holdfast-agent trust pin"));

  agents[0] = StatusOf("db-2", 3);
  const auto ready = BusKeyProblem(root, Key('b'), agents);
  REQUIRE(ready);
  CHECK_THAT(ready->message(), Catch::Contains("all agents have confirmed root document 3"));
  CHECK_THAT(ready->hint(), Catch::Contains("restart holdfast-controller"));
}

}  // namespace holdfast::controller
