// The repository's "config", decrypted.
#include "common/repository/format/records.h"
#include "tests/fuzz/target.h"

FUZZ_TARGET(config) {
  using namespace holdfast;
  const Result<repository::Config> config = repository::DecodeConfig(input);
  FUZZ_REQUIRE_CLEAR(config);
  if (!config) return false;
  FUZZ_REQUIRE(config->version == 2 && config->id.size() == 64);
  const std::string text = repository::EncodeConfig(*config);
  const Result<repository::Config> again = repository::DecodeConfig(AsBytes(text));
  FUZZ_REQUIRE(again && repository::EncodeConfig(*again) == text);
  return true;
}
