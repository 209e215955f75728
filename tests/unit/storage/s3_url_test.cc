#include "common/storage/s3_url.h"

#include "tests/support/catch.h"
#include "tests/support/results.h"

namespace holdfast::s3 {
namespace {
using testing::Unwrap;

Place At(std::string_view url, const Settings& settings = {}) {
  return Unwrap(ParsePlace(url, settings));
}

TEST_CASE("s3 url: one URL names host, bucket and prefix") {
  const Place place = At("s3:https://minio.example:9000/backups/a/b c/");
  REQUIRE(place.endpoint == "https://minio.example:9000");
  REQUIRE(place.host == "minio.example:9000");
  REQUIRE(place.bucket == "backups");
  REQUIRE(place.base_path == "/backups");
  REQUIRE(place.prefix == "a/b c/");
  REQUIRE(place.location == "s3:https://minio.example:9000/backups/a/b c");
  REQUIRE(place.PathOf(place.prefix + "config") == "/backups/a/b c/config");
  REQUIRE(place.region == "us-east-1");

  REQUIRE(At("s3:http://[::1]:9000/b").endpoint == "http://[::1]:9000");
  REQUIRE(At("s3:http://h/b").prefix.empty());
  REQUIRE(At("s3:minio.example/b/p").endpoint == "https://minio.example");  // like stock restic
}

TEST_CASE("s3 url: the default port is omitted") {
  REQUIRE(At("s3:https://h:443/b").host == "h");
  REQUIRE(At("s3:http://h:80/b").host == "h");
  REQUIRE(At("s3:http://h:443/b").host == "h:443");
}

TEST_CASE("s3 url: the bucket goes into the host name at AWS, otherwise into the path") {
  const Place place = At("s3:https://s3.eu-central-1.amazonaws.com/my-backups/prod");
  REQUIRE(place.host == "my-backups.s3.eu-central-1.amazonaws.com");
  REQUIRE(place.base_path.empty());
  REQUIRE(place.PathOf("prod/config") == "/prod/config");
  // A wildcard certificate covers one level of names.
  REQUIRE(At("s3:https://s3.amazonaws.com/my.backups").base_path == "/my.backups");
  REQUIRE(At("s3:https://s3.amazonaws.com/b-1", {.style = Style::kPath}).host ==
          "s3.amazonaws.com");
  REQUIRE(At("s3:https://ceph.example/b-1", {.style = Style::kVirtualHost}).host ==
          "b-1.ceph.example");
  REQUIRE_FAILS(ParsePlace("s3:https://h/a.b", {.style = Style::kVirtualHost}),
                ErrorCode::kInvalidArgument, "style: path");
}

TEST_CASE(
    "s3 url: the region comes from the configuration, the host or a variable, in this order") {
  const std::string aws = "s3:https://s3.eu-west-3.amazonaws.com/bucket";
  REQUIRE(At(aws).region == "eu-west-3");
  REQUIRE(At(aws, {.region = "x"}).region == "x");
  REQUIRE(At("s3:https://s3.dualstack.eu-west-2.amazonaws.com/bucket").region == "eu-west-2");
  Settings settings;
  settings.credentials.variables = {{"AWS_DEFAULT_REGION", "default"}};
  REQUIRE(At("s3:https://h/b", settings).region == "default");
  settings.credentials.variables["AWS_REGION"] = "first";
  REQUIRE(At("s3:https://h/b", settings).region == "first");
  REQUIRE(At(aws, settings).region == "eu-west-3");
}

TEST_CASE("s3 url: an invalid URL is refused with the expected form") {
  for (const char* url :
       {"s3:", "s3:https://", "s3:https:///b", "s3://bucket/p", "s3:ftp://h/b", "s3:https://h",
        "s3:https://h/", "s3:https://h//p", "s3:https://h/b//p", "s3:https://h/b/../p",
        "s3:https://h/b/./p", "s3:https://h:x/b", "s3:https://h:/b", "s3:https://h/b?x",
        "s3:https://h/b/p#x", "s3:https://h/-b", "s3:https://h h/b", "s3:https://h/b/a\nb",
        "https://h/b"}) {
    INFO(url);
    REQUIRE_FAILS(ParsePlace(url, {}), ErrorCode::kInvalidArgument, "s3:https://host/bucket");
  }
  const auto secret = ParsePlace("s3:https://key:hush@h/b", {});
  REQUIRE_FAILS(secret, ErrorCode::kInvalidArgument, "names no host");
  REQUIRE(secret.error().Text().find("hush") == std::string::npos);
}

}  // namespace
}  // namespace holdfast::s3
