// A root document is accepted as the next one if enough persons signed it, whatever its content.
#include "tests/fuzz/target.h"
#include "tests/fuzz/trust_seeds.h"

FUZZ_TARGET(root_document) {
  using namespace holdfast;
  using namespace holdfast::trust;
  static const testing::TrustFixture fixture;
  static const RootDocument root = fixture.Root();
  if (input.size() > PayloadBytesMax(PayloadType::kRoot)) return false;
  const Bytes by_one = Sign(PayloadType::kRoot, input, fixture.root_anna);
  FUZZ_REQUIRE(!root.VerifyNext(by_one, testing::TrustNow()));
  const Result<Bytes> by_two = AddSignature(PayloadType::kRoot, by_one, fixture.root_ben);
  FUZZ_REQUIRE(by_two.has_value());
  const Result<RootDocument> taken = root.VerifyNext(*by_two, testing::TrustNow());
  if (!taken) return false;
  FUZZ_REQUIRE(taken->version() == 2 && taken->cluster_id() == root.cluster_id());
  FUZZ_REQUIRE(CheckRootForm(taken->document()));
  FUZZ_REQUIRE(taken->bus_key() != BusKey{});
  return true;
}
