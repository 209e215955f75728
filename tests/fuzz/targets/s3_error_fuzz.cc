// The <Error> of an S3 answer, which is shown to users.
#include "common/storage/s3_answers.h"
#include "tests/fuzz/target.h"

FUZZ_TARGET(s3_error) {
  using namespace holdfast;
  const s3::ResponseError answered = s3::ParseAnsweredError(AsText(input));
  FUZZ_REQUIRE(answered.message.size() <= 300 && answered.code.size() <= 64 &&
               answered.region.size() <= 64);
  FUZZ_REQUIRE(answered.code.find_first_of("\x1b\n\r \"") == std::string::npos);
  for (int status : {200, 301, 400, 403, 404, 409, 412, 416, 503}) {
    const Error error = s3::ErrorFromResponse(status, {}, answered);
    const std::string text = error.Text();
    for (char c : text) FUZZ_REQUIRE(static_cast<unsigned char>(c) >= ' ');
    (void)s3::IsCongestion(status, answered);
  }
  return !answered.code.empty();
}
