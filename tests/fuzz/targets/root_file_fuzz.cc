// The envelope of a root document: an operator's pin, and what the controller hands to the CLI.
#include "tests/fuzz/target.h"
#include "tests/fuzz/trust_seeds.h"

FUZZ_TARGET(root_file) {
  using namespace holdfast;
  using namespace holdfast::trust;
  static const testing::TrustFixture fixture;
  static const RootDocument pin = fixture.Root();
  const Result<RootDocument> loaded = RootDocument::Load(input);
  const Result<RootDocument> next = pin.VerifyNext(input, testing::TrustNow());
  if (next) {
    FUZZ_REQUIRE(loaded && next->version() == 2 && next->cluster_id() == pin.cluster_id());
  }
  if (!loaded) {
    FUZZ_REQUIRE(loaded.error().message().size() < 1000);
    return false;
  }
  FUZZ_REQUIRE(CheckRootForm(loaded->document()));
  FUZZ_REQUIRE(loaded->envelope() == Bytes(input.begin(), input.end()));
  const Result<RootDocument> first = RootDocument::VerifyFirst(input, loaded->hash());
  FUZZ_REQUIRE(first && first->hash() == loaded->hash());
  crypto::Digest other = loaded->hash();
  other[0] ^= 1;
  FUZZ_REQUIRE(!RootDocument::VerifyFirst(input, other));
  return true;
}
