#include "common/storage/aws_signer.h"

#include <chrono>

#include "common/base/bytes.h"
#include "tests/support/catch.h"

namespace holdfast::s3 {
namespace {

using namespace std::chrono_literals;

const char* const kEmptyHash = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

WallTime At(std::string_view text) { return *ParseTime(text); }

std::string HashOf(std::string_view text) { return HexEncode(crypto::Sha256Of(AsBytes(text))); }

std::string SignatureOf(const HttpHeaders& headers) {
  const std::string* authorization = FindHeader(headers, "authorization");
  REQUIRE(authorization != nullptr);
  return authorization->substr(authorization->rfind('=') + 1);
}

// The credentials of all examples in the AWS documentation.
Credentials Example(std::string secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY") {
  return {.access_key_id = "AKIAIOSFODNN7EXAMPLE", .secret_access_key = Secret(std::move(secret))};
}

// "Examples: Signature Calculations" of the S3 reference: 24 May 2013, us-east-1.
struct S3Example {
  AwsSigner signer{"us-east-1", "s3"};
  WallTime now = At("2013-05-24T00:00:00Z");
  HttpHeaders Headers(std::string_view hash) const {
    return {{"Host", "examplebucket.s3.amazonaws.com"},
            {"x-amz-content-sha256", std::string(hash)}};
  }
};

TEST_CASE("aws signer: a ranged GET is signed as in the documentation") {
  S3Example example;
  SignedRequest request{.method = "GET",
                        .path = "/test.txt",
                        .headers = example.Headers(kEmptyHash),
                        .payload_hash = kEmptyHash};
  request.headers.emplace_back("Range", "bytes=0-9");

  const HttpHeaders added = example.signer.Sign(request, Example(), example.now);

  REQUIRE(*FindHeader(added, "authorization") ==
          "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,"
          "SignedHeaders=host;range;x-amz-content-sha256;x-amz-date,"
          "Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");
  REQUIRE(*FindHeader(added, "x-amz-date") == "20130524T000000Z");
  REQUIRE(FindHeader(added, "x-amz-security-token") == nullptr);
}

TEST_CASE("aws signer: a PUT with a body is signed as in the documentation") {
  S3Example example;
  const std::string hash = HashOf("Welcome to Amazon S3.");
  SignedRequest request{.method = "PUT",
                        .path = "/test$file.text",
                        .headers = example.Headers(hash),
                        .payload_hash = hash};
  request.headers.emplace_back("Date", "Fri, 24 May 2013 00:00:00 GMT");
  request.headers.emplace_back("x-amz-storage-class", "REDUCED_REDUNDANCY");

  REQUIRE(SignatureOf(example.signer.Sign(request, Example(), example.now)) ==
          "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd");
}

TEST_CASE("aws signer: queries with and without values are signed as in the documentation") {
  S3Example example;
  SignedRequest request{.method = "GET",
                        .path = "/",
                        .query = {{"lifecycle", ""}},
                        .headers = example.Headers(kEmptyHash),
                        .payload_hash = kEmptyHash};
  REQUIRE(SignatureOf(example.signer.Sign(request, Example(), example.now)) ==
          "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543");

  request.query = {{"prefix", "J"}, {"max-keys", "2"}};  // sorted by the signer
  REQUIRE(SignatureOf(example.signer.Sign(request, Example(), example.now)) ==
          "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7");
}

TEST_CASE("aws signer: another service and region are signed as in the documentation") {
  AwsSigner signer("us-east-1", "iam");
  SignedRequest request{
      .method = "GET",
      .query = {{"Version", "2010-05-08"}, {"Action", "ListUsers"}},
      .headers = {{"content-type", "application/x-www-form-urlencoded; charset=utf-8"},
                  {"host", "iam.amazonaws.com"}},
      .payload_hash = kEmptyHash};

  REQUIRE(SignatureOf(signer.Sign(request, Example("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"),
                                  At("2015-08-30T12:36:00Z"))) ==
          "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7");
}

// From the AWS Signature Version 4 test suite ("get-vanilla" and similar).
struct SuiteExample {
  AwsSigner signer{"us-east-1", "service"};
  SignedRequest request{
      .method = "GET", .headers = {{"Host", "example.amazonaws.com"}}, .payload_hash = kEmptyHash};
  std::string Signature() {
    return SignatureOf(signer.Sign(request, Example("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"),
                                   At("2015-08-30T12:36:00Z")));
  }
};

TEST_CASE("aws signer: the test suite's plain request and unsorted query are signed as expected") {
  SuiteExample example;
  REQUIRE(example.Signature() ==
          "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31");

  example.request.query = {{"Param2", "value2"}, {"Param1", "value1"}};
  REQUIRE(example.Signature() ==
          "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500");
}

TEST_CASE("aws signer: a session token is sent and signed") {
  S3Example example;
  Credentials session = Example();
  session.session_token = Secret("token");
  const SignedRequest request{
      .method = "GET", .headers = example.Headers(kEmptyHash), .payload_hash = kEmptyHash};

  const HttpHeaders added = example.signer.Sign(request, session, example.now);

  REQUIRE(*FindHeader(added, "x-amz-security-token") == "token");
  REQUIRE_THAT(*FindHeader(added, "authorization"),
               Catch::Contains("SignedHeaders=host;x-amz-content-sha256;x-amz-date;"
                               "x-amz-security-token,"));
}

TEST_CASE("aws signer: another day or secret results in another signature") {
  S3Example example;
  const SignedRequest request{
      .method = "GET", .headers = example.Headers(kEmptyHash), .payload_hash = kEmptyHash};
  const std::string first = SignatureOf(example.signer.Sign(request, Example(), example.now));

  REQUIRE(SignatureOf(example.signer.Sign(request, Example(), example.now + 24h)) != first);
  REQUIRE(SignatureOf(example.signer.Sign(request, Example("other"), example.now)) != first);
  REQUIRE(SignatureOf(example.signer.Sign(request, Example(), example.now)) == first);
}

TEST_CASE("aws signer: characters other than letters and digits are encoded once, in upper case") {
  REQUIRE(EncodePath("/a b/\xc3\xa9+$~-._") == "/a%20b/%C3%A9%2B%24~-._");
  REQUIRE(EncodeComponent("data/3f") == "data%2F3f");
  // Sorted by the encoded name, then by value: "a%21" before "a0".
  REQUIRE(EncodeQuery({{"a0", ""}, {"a!", "x y"}, {"a!", "="}}) == "a%21=%3D&a%21=x%20y&a0=");
  REQUIRE(AmzDate(At("2024-02-29T23:59:59.9Z")) == "20240229T235959Z");
}

}  // namespace
}  // namespace holdfast::s3
