#include "common/crypto/sha256.h"

#include "tests/support/catch.h"

namespace holdfast::crypto {
namespace {

TEST_CASE("sha256: one call and several give the published digest") {
  const std::string_view text = "abc";
  const std::string expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
  REQUIRE(HexEncode(Sha256Of(AsBytes(text))) == expected);

  Sha256 pieces;
  pieces.Update(AsBytes("a"));
  pieces.Update({});
  pieces.Update(AsBytes("bc"));
  REQUIRE(HexEncode(pieces.Finish()) == expected);
}

TEST_CASE("sha256: an object starts over after each digest") {
  Sha256 hash;
  hash.Update(AsBytes("something else"));
  (void)hash.Finish();  // only its effect on the state matters here

  REQUIRE(hash.Finish() == Sha256Of({}));
  REQUIRE(HexEncode(Sha256Of({})) ==
          "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

TEST_CASE("hmac: gives the published digest") {
  REQUIRE(HexEncode(HmacSha256(AsBytes("Jefe"), AsBytes("what do ya want for nothing?"))) ==
          "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}

TEST_CASE("hkdf: gives the output of RFC 5869 test case 3") {
  const Bytes secret(22, 0x0b);

  REQUIRE(HexEncode(HkdfSha256(secret, "", 42)) ==
          "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8");
  REQUIRE(HkdfSha256(secret, "a", 8160).size() == 8160);
}

}  // namespace
}  // namespace holdfast::crypto
