#include "agent/sources/zookeeper/sasl_digest.h"

#include <numeric>

#include "tests/support/catch.h"
#include "tests/support/results.h"

namespace holdfast::zookeeper {
namespace {

using testing::Unwrap;

// RFC 2831, section 4.
constexpr std::string_view kChallenge =
    R"(realm="elwood.innosoft.com",nonce="OA6MG9tEQGm2hh",qop="auth",algorithm=md5-sess,charset=utf-8)";
constexpr std::string_view kImap = "imap/elwood.innosoft.com";

class Counting final : public Random {
 public:
  void Fill(std::span<std::uint8_t> bytes) override {
    std::iota(bytes.begin(), bytes.end(), std::uint8_t{0});
  }
};

Result<SaslDigest> AnswerTo(std::string_view challenge, const std::string& login) {
  Counting random;
  return SaslDigest::Answer(challenge, Secret(login), random, kImap);
}

}  // namespace

// Computed by another program, which gives the values of the RFC for the nonce of its client.
TEST_CASE("zookeeper sasl: a challenge is answered, and the server's proof is checked") {
  const SaslDigest digest = Unwrap(AnswerTo(kChallenge, "chris:secret"));
  REQUIRE(digest.response() ==
          R"(charset=utf-8,username="chris",realm="elwood.innosoft.com",nonce="OA6MG9tEQGm2hh",)"
          R"(nc=00000001,cnonce="000102030405060708090a0b0c0d0e0f",)"
          R"(digest-uri="imap/elwood.innosoft.com",)"
          R"(response=4f2c25f77d52a0fabbeb89e0b3e7899e,qop=auth)");
  REQUIRE_OK(digest.Check("rspauth=352fc6b759242c195c0d4672ac05b431"));
  for (const char* wrong : {"", "rspauth=352fc6b759242c195c0d4672ac05b432"})
    REQUIRE_FAILS(digest.Check(wrong), ErrorCode::kDenied, "refuses the SASL login");
}

TEST_CASE("zookeeper sasl: names and passwords with special characters") {
  const std::string latin = Unwrap(AnswerTo(kChallenge, "J\u00fcrgen:pa:ss")).response();
  REQUIRE(latin.find("username=\"J\u00fcrgen\"") != std::string::npos);
  REQUIRE(latin.find("8069dfc59391936d47e908b648630d54") != std::string::npos);
  const std::string other = Unwrap(AnswerTo(kChallenge, "\u017bo\"\\:x")).response();
  REQUIRE(other.find("username=\"\u017bo\\\"\\\\\"") != std::string::npos);
  REQUIRE(other.find("f7d2e4d3cd4fb22450214446582f0c3f") != std::string::npos);
}

TEST_CASE("zookeeper sasl: unsupported challenges are refused") {
  REQUIRE_FAILS(AnswerTo(kChallenge, "chris"), ErrorCode::kInvalidArgument, "sasl:USER:PASSWORD");
  for (const char* other : {"`\x82\x01", "realm=\"x\"", "nonce=\"never ends"})
    REQUIRE_FAILS(AnswerTo(other, "chris:secret"), ErrorCode::kUnsupported, "GSSAPI");
  REQUIRE_FAILS(AnswerTo("nonce=\"x\",qop=\"privacy\"", "chris:secret"), ErrorCode::kUnsupported,
                "the server requires SASL integrity or privacy protection");
}

}  // namespace holdfast::zookeeper
