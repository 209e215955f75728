#include "controller/daemon/signing_key.h"

#include "tests/support/catch.h"
#include "tests/support/results.h"
#include "tests/support/trust_fixture.h"

namespace holdfast::controller {

using testing::TrustFixture;
using testing::TrustNow;

TEST_CASE("signing key: status names the key to install until the controller has it") {
  const TrustFixture trust;
  const trust::RootDocument root = trust.Root();
  const std::string expected = crypto::ShortKeyId(trust.controller.id());

  CHECK(CheckSigningKey(root, trust.controller.id(), TrustNow()));
  CHECK_FALSE(SigningKeyProblem(root, trust.controller.id(), TrustNow()));

  // The former key, and one that is an operator's.
  for (const crypto::SigningKey* own : {&trust.stranger, &trust.anna}) {
    const auto problem = SigningKeyProblem(root, own->id(), TrustNow());
    REQUIRE(problem);
    CHECK(problem->condition() == "signing_key_refused");
    CHECK_THAT(problem->message(), Catch::Contains(crypto::ShortKeyId(own->id())));
    CHECK_THAT(problem->hint(), Catch::Contains("the secret key that belongs to " + expected) &&
                                    Catch::Contains("restart holdfast-controller"));
    REQUIRE_FAILS(CheckSigningKey(root, own->id(), TrustNow()), ErrorCode::kDenied,
                  "this controller's signing key");
  }
}

TEST_CASE("signing key: an expired key is a problem, and an expired document a separate one") {
  const TrustFixture trust;
  v1::RootDocument document = trust.Document();
  for (v1::RoleKey& key : *document.mutable_keys()) {
    if (key.role() == v1::ROLE_CONTROLLER) key.set_not_after_ms(testing::kTrustNowMs - 3'600'000);
  }

  const auto problem = SigningKeyProblem(trust.Root(document), trust.controller.id(), TrustNow());
  REQUIRE(problem);
  CHECK_THAT(problem->message(), Catch::Contains("is no longer valid"));
  CHECK_THAT(problem->hint(), Catch::Contains("holdfast trust rotate --root-key FILE --send"));

  document.set_expires_at_ms(testing::kTrustNowMs - 3'600'000);
  CHECK_FALSE(SigningKeyProblem(trust.Root(document), trust.controller.id(), TrustNow()));
  REQUIRE_FAILS(CheckSigningKey(trust.Root(document), trust.controller.id(), TrustNow()),
                ErrorCode::kDenied, "has expired");
}

}  // namespace holdfast::controller
