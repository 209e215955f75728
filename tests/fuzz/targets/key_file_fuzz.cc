// A key file, which anyone with write access to the repository can create, including its scrypt
// cost.
#include "common/base/random.h"
#include "common/repository/format/records.h"
#include "common/repository/store/key_file.h"
#include "tests/fuzz/target.h"

FUZZ_TARGET(key_file) {
  using namespace holdfast;
  const Result<repository::KeyRecord> key = repository::DecodeKey(input);
  FUZZ_REQUIRE_CLEAR(key);
  if (!key) return false;
  const std::string text = repository::EncodeKey(*key);
  const Result<repository::KeyRecord> again = repository::DecodeKey(AsBytes(text));
  FUZZ_REQUIRE(again && repository::EncodeKey(*again) == text);

  // Cheap ones are tried. Excessive ones must be refused before they cost anything. Those in
  // between only take time.
  const auto& [n, r, p] = key->scrypt;
  const double price = static_cast<double>(n) * static_cast<double>(r) * static_cast<double>(p);
  if (price > (1 << 12) && price < 1e9) return true;
  static const Secret password("fuzz");
  static SystemRandom random;
  const auto opened = repository::TryKeyFile(input, password, random);
  FUZZ_REQUIRE_CLEAR(opened);
  if (price >= 1e9) FUZZ_REQUIRE(!opened);
  return opened && opened->has_value();
}
