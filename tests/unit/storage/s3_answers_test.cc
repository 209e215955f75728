#include "common/storage/s3_answers.h"

#include "tests/support/catch.h"
#include "tests/support/results.h"

namespace holdfast::s3 {
namespace {
using testing::Unwrap;

std::string List(std::string_view inner) {
  return "<?xml version=\"1.0\"?><ListBucketResult "
         "xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">" +
         std::string(inner) + "</ListBucketResult>";
}

TEST_CASE("s3 answers: a list page has decoded keys, sizes and the continuation token") {
  const ListPage page = Unwrap(ParseListPage(
      List("<EncodingType>url</EncodingType><Contents><Key>a%2Fb+c%C3%A9</Key><Size>7</Size>"
           "</Contents><Contents><Key>d</Key><Size>18446744073709551615</Size></Contents>"
           "<CommonPrefixes><Prefix>x</Prefix></CommonPrefixes><IsTruncated>true</IsTruncated>"
           "<NextContinuationToken>1/+=</NextContinuationToken>")));
  REQUIRE(page.files.size() == 2);
  REQUIRE(page.files[0].key == "a/b c\xc3\xa9");
  REQUIRE(page.files[0].size == 7);
  REQUIRE(page.files[1].size == UINT64_MAX);
  REQUIRE(page.next == "1/+=");

  // A server that did not encode the keys omits EncodingType.
  REQUIRE(Unwrap(ParseListPage(List("<Contents><Key>a%2Fb+c</Key><Size>7</Size></Contents>"
                                    "<IsTruncated>false</IsTruncated>")))
              .files[0]
              .key == "a%2Fb+c");
  REQUIRE(Unwrap(ParseListPage(List("<IsTruncated>false</IsTruncated>"))).files.empty());
}

TEST_CASE("s3 answers: an incomplete list is corrupt") {
  constexpr const char* kEnd = "<IsTruncated>false</IsTruncated>";
  for (const std::string& body :
       {std::string("<html/>"), std::string("[]"), List(""),
        List("<IsTruncated>maybe</IsTruncated>"), List("<IsTruncated>true</IsTruncated>"),
        List(std::string("<Contents><Size>1</Size></Contents>") + kEnd),
        List(std::string("<Contents><Key>k</Key></Contents>") + kEnd),
        List(std::string("<Contents><Key/><Size>1</Size></Contents>") + kEnd),
        List(std::string("<Contents><Key>k</Key><Size>-1</Size></Contents>") + kEnd),
        List(std::string("<Contents><Key>k</Key><Size>18446744073709551616</Size></Contents>") +
             kEnd),
        List(std::string("<EncodingType>url</EncodingType><Contents><Key>%2</Key><Size>1</Size>"
                         "</Contents>") +
             kEnd)}) {
    INFO(body);
    REQUIRE_FAILS(ParseListPage(body), ErrorCode::kCorrupt, "");
  }
}

TEST_CASE("s3 answers: an error is reported with its code, shortened and printable") {
  const ResponseError error =
      ParseAnsweredError("<Error><Code>Slow\x1b[31mDown!</Code><Message>" +
                         std::string(1'000, 'm') + "</Message><Region>eu-west-1</Region></Error>");
  REQUIRE(error.code.empty());  // a control character is not valid XML
  const ResponseError good = ParseAnsweredError("<Error><Code>Slow-Down</Code><Message>" +
                                                std::string(1'000, 'm') + "</Message></Error>");
  REQUIRE(good.code == "SlowDown");
  REQUIRE(good.message.size() == 300);
  REQUIRE(ParseAnsweredError("<html/>").code.empty());
  REQUIRE(ParseAnsweredError("").code.empty());
}

ErrorCode CodeOf(int status, std::string code = "") {
  return ErrorFromResponse(status, {}, {.code = std::move(code)}).code();
}

TEST_CASE("s3 answers: only temporary errors may be retried") {
  for (int status : {408, 429, 500, 502, 503, 504, 599})
    REQUIRE(CodeOf(status) == ErrorCode::kUnavailable);
  for (const char* code : {"SlowDown", "RequestTimeout", "InternalError"}) {
    REQUIRE(CodeOf(400, code) == ErrorCode::kUnavailable);
    REQUIRE(CodeOf(200, code) == ErrorCode::kUnavailable);
  }
  REQUIRE(CodeOf(409, "ConditionalRequestConflict") == ErrorCode::kUnavailable);
  REQUIRE(CodeOf(401) == ErrorCode::kDenied);
  REQUIRE(CodeOf(403) == ErrorCode::kDenied);
  REQUIRE(CodeOf(404, "NoSuchKey") == ErrorCode::kNotFound);
  for (const char* code : {"", "NotFound", "NoSuchVersion"}) {
    REQUIRE(CodeOf(404, code) == ErrorCode::kUnavailable);
  }
  REQUIRE(CodeOf(412) == ErrorCode::kAlreadyExists);
  REQUIRE(CodeOf(416) == ErrorCode::kCorrupt);
  REQUIRE(CodeOf(400) == ErrorCode::kInvalidArgument);
  REQUIRE(CodeOf(507) == ErrorCode::kNoSpace);
  REQUIRE(CodeOf(403, "QuotaExceeded") == ErrorCode::kNoSpace);
  REQUIRE(CodeOf(403, "InvalidObjectState") == ErrorCode::kUnsupported);
}

TEST_CASE("s3 answers: a bucket in another region is reported with its region") {
  for (int status : {301, 400}) {  // HEAD gets 400
    REQUIRE_THAT(ErrorFromResponse(status, {{"x-amz-bucket-region", "eu-west-1"}}, {}).hint(),
                 Catch::Contains("the bucket is in \"eu-west-1\": set `region`"));
  }
  REQUIRE_THAT(
      ErrorFromResponse(400, {}, {.code = "AuthorizationHeaderMalformed", .region = "r"}).hint(),
      Catch::Contains("the bucket is in \"r\""));
}

TEST_CASE("s3 answers: Content-Range and dates are accepted in one form only") {
  const auto range = ParseContentRange("bytes 5-9/100");
  REQUIRE(range);
  REQUIRE((range->first == 5 && range->last == 9 && range->total == 100));
  for (const char* text : {"", "bytes 5-9", "5-9/100", "bytes 9-5/100", "bytes 5-100/100",
                           "bytes 5-9/*", "bytes /5-9", "bytes -9/100", "bytes 5-9/100 "}) {
    INFO(text);
    REQUIRE_FALSE(ParseContentRange(text));
  }
  REQUIRE(ParseHttpDate("Fri, 24 May 2013 01:02:03 GMT") == *ParseTime("2013-05-24T01:02:03Z"));
  for (const char* text : {"", "24 May 2013", "Fri, 24 Mai 2013 01:02:03 GMT",
                           "Fri, 24 May 2013 01:02:03 CET", "Fri, 32 May 2013 01:02:03 GMT"}) {
    INFO(text);
    REQUIRE_FALSE(ParseHttpDate(text));
  }
}

}  // namespace
}  // namespace holdfast::s3
