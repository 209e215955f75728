// The controller's signed answer to an agent's Hello.
#include "common/trust/fresh.h"
#include "tests/fuzz/target.h"
#include "tests/fuzz/trust_seeds.h"

FUZZ_TARGET(fresh) {
  using namespace holdfast;
  using namespace holdfast::trust;
  static const testing::TrustFixture fixture;
  static const RootDocument root = fixture.Root();
  if (input.size() > PayloadBytesMax(PayloadType::kFresh)) return false;
  const Bytes envelope = Sign(PayloadType::kFresh, input, fixture.controller);
  const auto answer = VerifyFresh(envelope, root, {"db-1", 2}, {}, testing::TrustNow());
  if (!answer) return false;
  FUZZ_REQUIRE(answer->node() == "db-1" && answer->incarnation() == 2);
  FUZZ_REQUIRE(FreshnessOf(*answer, testing::TrustNow()).age.has_value());
  return true;
}
