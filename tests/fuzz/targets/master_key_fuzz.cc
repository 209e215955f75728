// The decrypted content of a key file.
#include "common/repository/format/records.h"
#include "tests/fuzz/target.h"

FUZZ_TARGET(master_key) {
  using namespace holdfast;
  const Result<crypto::SealKey> key = repository::DecodeMasterKey(input);
  FUZZ_REQUIRE_CLEAR(key);
  if (!key) return false;
  FUZZ_REQUIRE(key->IsValid());
  const std::string text = repository::EncodeMasterKey(*key);
  const Result<crypto::SealKey> again = repository::DecodeMasterKey(AsBytes(text));
  FUZZ_REQUIRE(again && *again == *key);
  return true;
}
