// An S3 URL is refused, or leads to one place in one bucket.
#include "common/storage/s3_url.h"
#include "tests/fuzz/target.h"

FUZZ_TARGET(s3_url) {
  using namespace holdfast;
  const Result<s3::Place> place = s3::ParsePlace(AsText(input), {});
  FUZZ_REQUIRE(place || place.error().code() == ErrorCode::kInvalidArgument);
  if (!place) return false;
  FUZZ_REQUIRE(place->prefix.find("//") == std::string::npos);
  FUZZ_REQUIRE(("/" + place->prefix).find("/../") == std::string::npos);
  FUZZ_REQUIRE(place->endpoint.find_first_of(" \r\n@?#", 8) == std::string::npos);
  FUZZ_REQUIRE(place->prefix.empty() || place->prefix.ends_with('/'));
  return true;
}
