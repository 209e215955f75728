#include "common/trust/fresh.h"

#include <functional>

#include "tests/support/catch.h"
#include "tests/support/manual_clock.h"
#include "tests/support/trust_fixture.h"

namespace holdfast::trust {
namespace {
using namespace std::chrono_literals;
using testing::kTrustNowMs;
using testing::ManualClock;
using testing::TrustFixture;
using testing::Unwrap;

const AgentIdentity kAgent = {"db-1", 2};

v1::Fresh Answer(const Bytes& nonce) {
  v1::Fresh fresh;
  fresh.set_cluster_id("01HF0000000000000000000000");
  fresh.set_node("db-1");
  fresh.set_incarnation(2);
  fresh.set_nonce(nonce.data(), nonce.size());
  fresh.set_now_ms(kTrustNowMs);
  fresh.set_expires_at_ms(kTrustNowMs + 3'600'000);
  fresh.set_root_version(1);
  return fresh;
}

struct Scene {
  TrustFixture fixture;
  RootDocument root = fixture.Root();
  ManualClock clock{kTrustNowMs / 1000};
  Bytes nonce = Bytes(kNonceBytes, 0x11);

  Result<v1::Fresh> Hear(const v1::Fresh& fresh) const {
    return VerifyFresh(SignFresh(fresh, fixture.controller), root, kAgent, nonce, clock.Now());
  }
  // An answer to a request sent now, from a controller whose clock is `ahead` of this one.
  RequestedAnswer Asked(std::chrono::nanoseconds ahead = 0s) const {
    return {clock.Monotonic(), clock.Now(), clock.Now() + ahead};
  }
  Freshness Look(const std::optional<RequestedAnswer>& answer, WallTime latest = {}) const {
    return FreshnessOf(answer, latest, clock.Monotonic(), clock.Now());
  }
};

TEST_CASE("fresh: the age of an answer counts from its request") {
  Scene scene;
  REQUIRE_FALSE(scene.Look(std::nullopt).age);
  const RequestedAnswer answer = scene.Asked();

  scene.clock.Advance(5s);

  REQUIRE(scene.Look(answer).age == 5s);
  REQUIRE_FALSE(scene.Look(answer).is_clock_suspect);
}

TEST_CASE("fresh: the age of an answer follows whichever clock advanced more") {
  Scene scene;
  const RequestedAnswer answer = scene.Asked();

  scene.clock.Advance(2s);
  scene.clock.Jump(1h);
  REQUIRE(scene.Look(answer).age == 1h + 2s);
  scene.clock.Jump(-2h);
  REQUIRE(scene.Look(answer).age == 2s);
}

TEST_CASE("fresh: only the controller's answer to the same request is accepted") {
  Scene scene;
  REQUIRE_FAILS(scene.Hear(Answer(Bytes(kNonceBytes, 0x22))), ErrorCode::kDenied,
                "another request");
  const Bytes forged = SignFresh(Answer(scene.nonce), scene.fixture.anna);
  REQUIRE_FAILS(VerifyFresh(forged, scene.root, kAgent, scene.nonce, scene.clock.Now()),
                ErrorCode::kDenied, "has the role operator");
  REQUIRE_OK(scene.Hear(Answer(scene.nonce)));
  v1::Fresh of_a_later_version = Answer(scene.nonce);
  of_a_later_version.GetReflection()->MutableUnknownFields(&of_a_later_version)->AddVarint(1000, 1);
  REQUIRE_OK(scene.Hear(of_a_later_version));
}

TEST_CASE("fresh: an answer for another agent, root document or time is refused") {
  Scene scene;
  auto hear_with = [&](const std::function<void(v1::Fresh&)>& change) {
    v1::Fresh fresh = Answer(scene.nonce);
    change(fresh);
    return scene.Hear(fresh);
  };
  constexpr ErrorCode kDenied = ErrorCode::kDenied;

  REQUIRE_FAILS(hear_with([](auto& f) { f.set_cluster_id("other"); }), kDenied, "another cluster");
  REQUIRE_FAILS(hear_with([](auto& f) { f.set_node("db-2"); }), kDenied, "node \"db-2\"");
  REQUIRE_FAILS(hear_with([](auto& f) { f.set_incarnation(1); }), kDenied, "incarnation 1");
  REQUIRE_FAILS(hear_with([](auto& f) { f.set_root_version(2); }), kDenied, "version 2");
  REQUIRE_FAILS(hear_with([](auto& f) { f.set_expires_at_ms(kTrustNowMs + 3'600'001); }), kDenied,
                "more than an hour");
  REQUIRE_FAILS(hear_with([](auto& f) { f.set_now_ms(INT64_MIN); }), kDenied, "more than an hour");
  REQUIRE_FAILS(hear_with([](auto& f) {
                  f.set_now_ms(kTrustNowMs - 3'800'000);
                  f.set_expires_at_ms(kTrustNowMs - 200'000);
                }),
                kDenied, "has expired");
}

TEST_CASE("fresh: the age of a forwarded answer is measured by the wall clock") {
  Scene scene;
  Bytes envelope = SignFresh(Answer(scene.nonce), scene.fixture.controller);
  v1::Fresh fresh = Unwrap(VerifyFresh(envelope, scene.root, kAgent, {}, scene.clock.Now()));

  REQUIRE(FreshnessOf(fresh, scene.clock.Now() + 7s).age == 7s);
  REQUIRE(FreshnessOf(fresh, scene.clock.Now() - 1min).age == 0s);
  REQUIRE_FALSE(FreshnessOf(fresh, scene.clock.Now() - 120s).is_clock_suspect);
  REQUIRE(FreshnessOf(fresh, scene.clock.Now() - 121s).is_clock_suspect);
}

TEST_CASE("fresh: a clock that was set back is suspect") {
  Scene scene;
  const WallTime latest = scene.clock.Now();
  scene.clock.Jump(-119s);
  REQUIRE_FALSE(scene.Look(std::nullopt, latest).is_clock_suspect);
  scene.clock.Jump(-2s);
  REQUIRE(scene.Look(std::nullopt, latest).is_clock_suspect);
}

TEST_CASE(
    "fresh: a clock that lags the controller's is suspect until a better "
    "answer arrives") {
  Scene scene;
  REQUIRE(scene.Look(scene.Asked(121s)).is_clock_suspect);
  REQUIRE_FALSE(scene.Look(scene.Asked(119s)).is_clock_suspect);
}

}  // namespace
}  // namespace holdfast::trust
