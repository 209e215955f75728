#include "common/trust/rejoin.h"

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "common/trust/envelope.h"
#include "tests/support/catch.h"
#include "tests/support/trust_fixture.h"

namespace holdfast::trust {
namespace {

using testing::kTrustNowMs;
using testing::TrustFixture;
using testing::Unwrap;

struct RejoinScene {
  RejoinScene() {
    permit.set_cluster_id(root.cluster_id());
    permit.set_node("db-1");
    permit.set_incarnation(2);
    permit.set_secret_hash(std::string(32, 'h'));
    permit.set_expires_at_ms(kTrustNowMs + 900'000);
  }
  Result<VerifiedPermit> Verify(ByteView envelope, std::int64_t now_ms = kTrustNowMs) const {
    return VerifyRejoin(envelope, root, WallTime(std::chrono::milliseconds(now_ms)));
  }

  TrustFixture fixture;
  RootDocument root = fixture.Root();
  v1::RejoinPermit permit;
};

TEST_CASE("rejoin: a permit that an operator signed is valid until it expires") {
  RejoinScene scene;
  const Bytes envelope = SignRejoin(scene.permit, scene.fixture.ben);

  const VerifiedPermit verified = Unwrap(scene.Verify(envelope));
  CHECK(verified.person == "ben");
  CHECK(verified.permit.node() == "db-1");
  CHECK(verified.permit.incarnation() == 2);

  CHECK(scene.Verify(envelope, kTrustNowMs + 900'000).has_value());
  REQUIRE_FAILS(scene.Verify(envelope, kTrustNowMs + 900'001), ErrorCode::kDenied, "expired");
}

TEST_CASE("rejoin: only operators sign permits") {
  RejoinScene scene;
  const crypto::SigningKey stranger = crypto::SigningKey::Generate(scene.fixture.random);
  const std::vector<const crypto::SigningKey*> others = {&scene.fixture.controller,
                                                         &scene.fixture.root_anna, &stranger};
  for (const crypto::SigningKey* key : others) {
    REQUIRE_FAILS(scene.Verify(SignRejoin(scene.permit, *key)), ErrorCode::kDenied, "");
  }
  // A signature for another type is not valid for a permit.
  const std::string payload = scene.permit.SerializeAsString();
  const Bytes other = Sign(PayloadType::kPlan, AsBytes(payload), scene.fixture.anna);
  CHECK_FALSE(scene.Verify(other).has_value());
  Envelope envelope =
      Unwrap(DecodeEnvelope(PayloadType::kRejoin, SignRejoin(scene.permit, scene.fixture.anna)));
  envelope.payload.back() ^= 1;
  CHECK_FALSE(
      scene.Verify(Unwrap(Assemble(PayloadType::kRejoin, envelope.payload, envelope.signatures)))
          .has_value());
}

TEST_CASE("rejoin: a permit names cluster, node, incarnation and token") {
  const std::vector<std::pair<std::string, std::function<void(v1::RejoinPermit&)>>> changes = {
      {"another cluster",
       [](auto& permit) { permit.set_cluster_id("01HF0000000000000000000001"); }},
      {"without a node", [](auto& permit) { permit.clear_node(); }},
      {"an incarnation", [](auto& permit) { permit.clear_incarnation(); }},
      {"a token", [](auto& permit) { permit.set_secret_hash("short"); }},
      {"unknown field 9",
       [](auto& permit) { REQUIRE(permit.MergeFromString(std::string("\x4a\x01x"))); }},
  };
  for (const auto& [message, change] : changes) {
    INFO(message);
    RejoinScene scene;
    change(scene.permit);
    const std::string payload = scene.permit.SerializeAsString();
    const Result<VerifiedPermit> verified =
        scene.Verify(Sign(PayloadType::kRejoin, AsBytes(payload), scene.fixture.anna));
    REQUIRE_FALSE(verified.has_value());
    CHECK_THAT(verified.error().message(), Catch::Contains(message));
  }
}

}  // namespace
}  // namespace holdfast::trust
