#include "agent/daemon/join_cluster.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "agent/daemon/identity.h"
#include "common/bus/join_server.h"
#include "common/bus/join_token.h"
#include "common/io/atomic_file.h"
#include "common/io/fd.h"
#include "common/trust/envelope.h"
#include "proto/holdfast/v1/trust.pb.h"
#include "tests/support/catch.h"
#include "tests/support/manual_clock.h"
#include "tests/support/results.h"
#include "tests/support/seeded_random.h"
#include "tests/support/trust_fixture.h"

using namespace holdfast;
using namespace holdfast::agent;
using holdfast::testing::TrustFixture;
using holdfast::testing::Unwrap;
using namespace std::chrono_literals;

namespace {

// A controller's join socket that gives every node the same answer.
struct Place {
  Place() {
    bus::JoinServerOptions options;
    options.endpoint = "tcp://127.0.0.1:*";
    options.keys = bus::GenerateCurveKeys(random);
    server = Unwrap(bus::JoinServer::Open(options));
    v1::RootDocument document = fixture.Document();
    document.set_bus_key(std::string(AsText(options.keys.public_key)));
    root = fixture.SignRoot(document, {&fixture.root_anna, &fixture.root_ben});
    token.node = "db-1";
    token.endpoint = server->endpoint();
    token.server_key = options.keys.public_key;
    token.root_hash = fixture.Root(document).hash();
    token.secret = Secret(std::string(32, 's'));
    token.expires_at_ms = trust::UnixMilliseconds(clock.Now()) + 60'000;
    answer.incarnation = 2;
    answer.root = root;
    answer.endpoint = "tcp://controller:7733";
    settings.file = "/etc/holdfast/agent.yaml";
    settings.node = "db-1";
    settings.state_dir = directory.path() + "/state";
  }
  // Joins while a controller serves the join socket with `answer`.
  Result<JoinReport> Join() {
    std::jthread controller([this](const std::stop_token& stop) {
      while (!stop.stop_requested()) {
        Result<std::optional<bus::JoinCall>> call =
            server->Receive(SystemClock().Monotonic() + 50ms);
        if (!call || !*call) continue;
        ++calls;
        (void)server->Answer((*call)->connection, answer);
      }
    });
    Result<JoinReport> report =
        JoinCluster(settings, bus::EncodeJoinToken(token).Reveal(), 20s, random, clock);
    controller.request_stop();
    return report;
  }

  TrustFixture fixture;
  SystemRandom random;
  SystemClock clock;
  TempDir directory = Unwrap(TempDir::Create("join"));
  Bytes root;
  bus::JoinToken token;
  bus::JoinAnswer answer;
  AgentSettings settings;
  std::unique_ptr<bus::JoinServer> server;
  std::atomic<int> calls = 0;  // of the controller
};

}  // namespace

TEST_CASE("join cluster: the node has keys and the address of its controller") {
  Place place;

  JoinReport report = Unwrap(place.Join());

  CHECK(report.cluster == "prod");
  CHECK(report.incarnation == 2);
  CHECK(report.endpoint == "tcp://controller:7733");
  Identity identity = Unwrap(LoadIdentity(place.settings.state_dir));
  CHECK(identity.node == "db-1");
  CHECK(identity.incarnation == 2);
  CHECK(identity.root == place.root);
}

TEST_CASE("join cluster: anything that does not match is refused, and nothing is kept") {
  Place place;
  SECTION("a token of another node") {
    place.settings.node = "db-2";
    REQUIRE_FAILS(place.Join(), ErrorCode::kInvalidArgument, "is for node \"db-1\"");
  }
  SECTION("an old token") {
    place.token.expires_at_ms = 1;
    REQUIRE_FAILS(place.Join(), ErrorCode::kDenied, "has expired");
  }
  SECTION("the controller's refusal") {
    place.answer.refused = "the token was used already";
    REQUIRE_FAILS(place.Join(), ErrorCode::kDenied, "the token was used already");
  }
  REQUIRE_FAILS(LoadIdentity(place.settings.state_dir), ErrorCode::kNotFound, "");
}

TEST_CASE("join cluster: an error after the controller has accepted the node says so") {
  Place place;
  std::string reason;
  SECTION("another root document than the token names") {
    place.token.root_hash.fill(1);
    reason = "root document";
  }
  SECTION("a bus key that the token does not name") {
    const trust::RootDocument other = place.fixture.Root();
    place.answer.root = other.envelope();
    place.token.root_hash = other.hash();
    reason = "the token's bus key differs";
  }
  SECTION("another cluster than the configuration names") {
    place.settings.cluster = "test";
    reason = "this is cluster \"prod\"";
  }

  const Result<JoinReport> failed = place.Join();

  REQUIRE_FALSE(failed);
  CHECK(place.calls == 1);
  CHECK_THAT(failed.error().message(),
             Catch::Contains(reason) && Catch::Contains("the token is used") &&
                 Catch::Contains("former agent (if any) can no longer connect"));
  CHECK_THAT(failed.error().hint(), Catch::Contains("holdfast agent token db-1 --rejoin"));
  REQUIRE_FAILS(LoadIdentity(place.settings.state_dir), ErrorCode::kNotFound, "");
}

TEST_CASE("join cluster: the token is not used if the node cannot store its identity") {
  Place place;
  const std::string& top = place.directory.path();
  SECTION("no directory can be made") {
    REQUIRE_OK(WriteFileAtomic(top + "/file", AsBytes("x"), 0600));
    place.settings.state_dir = top + "/file/state";
  }
  SECTION("the state directory is a file") {
    REQUIRE_OK(WriteFileAtomic(place.settings.state_dir, AsBytes("x"), 0600));
  }
  SECTION("the helper's directory is a file") {
    if (::geteuid() != 0) return;  // only root stores the helper's identity
    REQUIRE_OK(WriteFileAtomic(top + "/restore-helper", AsBytes("x"), 0600));
  }

  REQUIRE_FALSE(place.Join());

  CHECK(place.calls == 0);
}

TEST_CASE("join cluster: the token is not used if the node is known to be in another cluster") {
  Place place;
  (void)Unwrap(place.Join());
  place.calls = 0;
  place.settings.cluster = "test";
  SECTION("the same root document") {}
  SECTION("a permit for the same cluster") {
    place.token.root_hash.fill(1);
    v1::RejoinPermit permit;
    permit.set_cluster_id(place.fixture.Document().cluster_id());
    const std::string payload = permit.SerializeAsString();
    place.token.permit =
        trust::Sign(trust::PayloadType::kRejoin, AsBytes(payload), place.fixture.anna);
  }

  REQUIRE_FAILS(place.Join(), ErrorCode::kInvalidArgument, "this is cluster \"prod\"");

  CHECK(place.calls == 0);
  CHECK(Unwrap(LoadIdentity(place.settings.state_dir)).root == place.root);
}

TEST_CASE("join cluster: the trial files are removed") {
  Place place;
  (void)Unwrap(place.Join());

  std::vector<std::string> names = Unwrap(NamesIn(place.settings.state_dir));

  CHECK(names == std::vector<std::string>{"identity"});
  if (::geteuid() != 0) return;
  names = Unwrap(NamesIn(place.directory.path() + "/restore-helper"));
  CHECK(std::ranges::find(names, "trial") == names.end());
}
