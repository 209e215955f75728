#include "common/crypto/md5.h"

#include "tests/support/catch.h"

namespace holdfast::crypto {
namespace {

TEST_CASE("md5: gives the digests of RFC 1321") {
  REQUIRE(HexEncode(Md5Of({})) == "d41d8cd98f00b204e9800998ecf8427e");
  REQUIRE(HexEncode(Md5Of(AsBytes("message digest"))) == "f96b697d7cb7938d525a2f31aaf161d0");
}

}  // namespace
}  // namespace holdfast::crypto
