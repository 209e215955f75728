// What S3, STS, the metadata service and a credentials file give, spoiled at random: nothing
// crashes, and what comes through has the form that the storage counts on.
#include <catch2/catch.hpp>

#include "common/storage/credential_sources.h"
#include "common/storage/s3_answers.h"
#include "common/storage/s3_url.h"
#include "common/storage/xml.h"
#include "tests/fuzz/mutator.h"
#include "tests/support/results.h"

namespace holdfast::s3 {
namespace {
using testing::FuzzRounds;
using testing::Mutator;

std::vector<Bytes> Seeds(const std::vector<std::string>& texts) {
  std::vector<Bytes> seeds;
  for (const std::string& text : texts) seeds.push_back(ToBytes(text));
  return seeds;
}

const std::string kList =
    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ListBucketResult xmlns=\"http://s3/\">"
    "<Name>b</Name><Prefix>p/</Prefix><KeyCount>2</KeyCount><EncodingType>url</EncodingType>"
    "<Contents><Key>p/keys/%2B+a</Key><Size>12</Size><ETag>&quot;1&quot;</ETag></Contents>"
    "<Contents><Key>p/config</Key><Size>0</Size></Contents>"
    "<IsTruncated>true</IsTruncated><NextContinuationToken>1&#43;</NextContinuationToken>"
    "</ListBucketResult>";
const std::string kError =
    "<Error><Code>SlowDown</Code><Message>please</Message><Region>eu</Region></Error>";
const std::string kSts =
    "<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult><Credentials>"
    "<AccessKeyId>A</AccessKeyId><SecretAccessKey>S</SecretAccessKey><SessionToken>T"
    "</SessionToken><Expiration>2030-01-02T03:04:05Z</Expiration></Credentials>"
    "</AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>";

std::size_t DepthOf(const XmlElement& element) {
  std::size_t depth = 0;
  for (const XmlElement& child : element.children) depth = std::max(depth, DepthOf(child));
  return depth + 1;
}

TEST_CASE("fuzz: XML of S3 is read within its limits, or corrupt") {
  Mutator mutator(11, Seeds({kList, kError, kSts, "<a><![CDATA[x]]><!-- y --><b c='d'/></a>"}));
  std::size_t accepted = 0;
  for (std::size_t round = 0; round < FuzzRounds(20'000); ++round) {
    const Bytes bytes = mutator.Next();
    INFO("round " << round << ": " << HexEncode(bytes));
    const Result<XmlElement> root = ParseXml(AsText(bytes));
    if (!root) {
      REQUIRE(root.error().code() == ErrorCode::kCorrupt);
      continue;
    }
    ++accepted;
    REQUIRE(DepthOf(*root) <= kXmlDepthMax);
    REQUIRE_FALSE(root->name.empty());
  }
  REQUIRE(accepted > 0);
}

TEST_CASE("fuzz: a page of a list has files with keys, or is corrupt") {
  Mutator mutator(12, Seeds({kList, kError}));
  std::size_t accepted = 0;
  for (std::size_t round = 0; round < FuzzRounds(20'000); ++round) {
    const Bytes bytes = mutator.Next();
    INFO("round " << round << ": " << HexEncode(bytes));
    const Result<ListPage> page = ParseListPage(AsText(bytes));
    const AnsweredError error = ParseAnsweredError(AsText(bytes));
    REQUIRE(error.message.size() <= 300);
    REQUIRE(error.code.find_first_of("\x1b\n\r \"") == std::string::npos);
    if (!page) {
      REQUIRE(page.error().code() == ErrorCode::kCorrupt);
      continue;
    }
    ++accepted;
    for (const ListedFile& file : page->files) REQUIRE_FALSE(file.key.empty());
  }
  REQUIRE(accepted > 0);
}

// Keys go into headers, where a line break would begin another header.
void RequireGoodKeys(const Credentials& credentials) {
  REQUIRE_FALSE(credentials.access_key_id.empty());
  for (std::string_view text :
       {std::string_view(credentials.access_key_id), credentials.secret_access_key.Reveal(),
        credentials.session_token.Reveal()}) {
    REQUIRE(std::ranges::all_of(text, [](char c) { return c > ' ' && c <= '~'; }));
  }
}

TEST_CASE("fuzz: credentials of any place have keys that can be sent, or are refused") {
  Mutator mutator(13,
                  Seeds({kSts,
                         R"({"Code":"Success","AccessKeyId":"A","SecretAccessKey":"S","Token":"T",)"
                         R"("Expiration":"2030-01-02T03:04:05Z"})",
                         "[default]\naws_access_key_id = A\naws_secret_access_key = S\n[b]\n"
                         "aws_session_token=T\n"}));
  std::size_t accepted = 0;
  for (std::size_t round = 0; round < FuzzRounds(20'000); ++round) {
    const Bytes bytes = mutator.Next();
    INFO("round " << round << ": " << HexEncode(bytes));
    if (Result<Credentials> sts = ParseStsCredentials(AsText(bytes)); sts) RequireGoodKeys(*sts);
    if (Result<Credentials> role = ParseMetadataCredentials(AsText(bytes)); role) {
      RequireGoodKeys(*role);
    }
    auto file = ParseCredentialsFile(AsText(bytes), "default", "file");
    if (!file || !*file) continue;
    ++accepted;
    RequireGoodKeys(**file);
  }
  REQUIRE(accepted > 0);
}

TEST_CASE("fuzz: a URL of S3 leads to one place below one bucket, or nowhere") {
  Mutator mutator(14, Seeds({"s3:https://s3.eu-central-1.amazonaws.com/bucket/a/b c",
                             "s3:http://[::1]:9000/bucket", "s3:host/bucket/p", "bytes 0-9/100",
                             "Fri, 24 May 2013 00:00:00 GMT"}));
  std::size_t accepted = 0;
  for (std::size_t round = 0; round < FuzzRounds(20'000); ++round) {
    const Bytes bytes = mutator.Next();
    INFO("round " << round << ": " << HexEncode(bytes));
    if (auto range = ParseContentRange(AsText(bytes))) REQUIRE(range->last < range->total);
    (void)ParseHttpDate(AsText(bytes));
    const Result<Place> place = ParsePlace(AsText(bytes), {});
    if (!place) continue;
    ++accepted;
    REQUIRE(place->prefix.find("//") == std::string::npos);
    REQUIRE(("/" + place->prefix).find("/../") == std::string::npos);
    REQUIRE(place->endpoint.find_first_of(" \r\n@?#", 8) == std::string::npos);
    REQUIRE((place->prefix.empty() || place->prefix.ends_with('/')));
  }
  REQUIRE(accepted > 0);
}

}  // namespace
}  // namespace holdfast::s3
