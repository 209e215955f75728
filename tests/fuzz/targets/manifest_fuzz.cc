// manifest.json of a snapshot.
#include "common/stream/manifest.h"
#include "tests/fuzz/target.h"

FUZZ_TARGET(manifest) {
  using namespace holdfast;
  const Result<Manifest> manifest = DecodeManifest(AsText(input));
  FUZZ_REQUIRE_CLEAR(manifest);
  if (!manifest) return false;
  const std::string text = EncodeManifest(*manifest);
  const Result<Manifest> again = DecodeManifest(text);
  FUZZ_REQUIRE(again && *again == *manifest);
  return true;
}
