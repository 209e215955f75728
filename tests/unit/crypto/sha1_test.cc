#include "common/crypto/sha1.h"

#include "tests/support/catch.h"

namespace holdfast::crypto {
namespace {

TEST_CASE("sha1: gives the digests of FIPS 180") {
  REQUIRE(HexEncode(Sha1Of({})) == "da39a3ee5e6b4b0d3255bfef95601890afd80709");
  REQUIRE(HexEncode(Sha1Of(AsBytes("abc"))) == "a9993e364706816aba3e25717850c26c9cd0d89d");
}

}  // namespace
}  // namespace holdfast::crypto
