#include "common/crypto/scrypt.h"

#include "tests/support/catch.h"
#include "tests/support/results.h"

namespace holdfast::crypto {
namespace {
using testing::Unwrap;

TEST_CASE("scrypt: gives the output of RFC 7914") {
  const Bytes key = Unwrap(Scrypt("pleaseletmein", AsBytes("SodiumChloride"), {16384, 8, 1}, 64));

  REQUIRE(HexEncode(key) ==
          "7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2d5432955613f0fcf62d49705"
          "242a9af9e61e85dc0d651e40dfcf017b45575887");
}

TEST_CASE("scrypt: works beyond OpenSSL's default memory limit") {
  REQUIRE(Unwrap(Scrypt("x", AsBytes("salt"), {65536, 8, 1}, 64)).size() == 64);
}

TEST_CASE("scrypt: refuses invalid and excessive parameters") {
  const ScryptParameters parameters =
      GENERATE(ScryptParameters{0, 8, 1}, ScryptParameters{1, 8, 1}, ScryptParameters{1000, 8, 1},
               ScryptParameters{1024, 0, 1}, ScryptParameters{1024, 8, 0},
               ScryptParameters{1ULL << 40, 8, 1}, ScryptParameters{1ULL << 63, 1ULL << 63, 4},
               ScryptParameters{32768, 8, 1ULL << 20}, ScryptParameters{1ULL << 21, 8, 1});

  REQUIRE_FAILS(Scrypt("x", AsBytes("salt"), parameters, 64), ErrorCode::kInvalidArgument, "N=");
}

}  // namespace
}  // namespace holdfast::crypto
