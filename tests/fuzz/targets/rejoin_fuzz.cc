// An operator's permit for a node that joins again.
#include "common/trust/rejoin.h"
#include "tests/fuzz/target.h"
#include "tests/fuzz/trust_seeds.h"

FUZZ_TARGET(rejoin) {
  using namespace holdfast;
  using namespace holdfast::trust;
  static const testing::TrustFixture fixture;
  static const RootDocument root = fixture.Root();
  if (input.size() > PayloadBytesMax(PayloadType::kRejoin)) return false;
  const Bytes envelope = Sign(PayloadType::kRejoin, input, fixture.anna);
  const auto verified = VerifyRejoin(envelope, root, testing::TrustNow());
  if (!verified) return false;
  FUZZ_REQUIRE(verified->person == "anna" && verified->permit.cluster_id() == root.cluster_id());
  FUZZ_REQUIRE(!verified->permit.node().empty() && verified->permit.secret_hash().size() == 32);
  return true;
}
