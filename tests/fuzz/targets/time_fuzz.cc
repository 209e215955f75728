// Times in snapshots, trees and locks, and in headers of S3 answers.
#include "common/base/clock.h"
#include "common/storage/s3_answers.h"
#include "tests/fuzz/target.h"

FUZZ_TARGET(time) {
  using namespace holdfast;
  const std::string_view text = AsText(input);
  if (const auto date = s3::ParseHttpDate(text)) FUZZ_REQUIRE(ParseTime(FormatTime(*date)));
  if (const auto range = s3::ParseContentRange(text)) FUZZ_REQUIRE(range->last < range->total);
  int offset = 0;
  const Result<UnixTime> time = ParseUnixTime(text, &offset);
  if (!time) {
    FUZZ_REQUIRE(time.error().code() == ErrorCode::kInvalidArgument);
    return false;
  }
  FUZZ_REQUIRE(time->nanoseconds < 1'000'000'000);
  const std::string written = FormatTime(time->seconds, time->nanoseconds);
  const Result<UnixTime> again = ParseUnixTime(written);
  FUZZ_REQUIRE(again && FormatTime(again->seconds, again->nanoseconds) == written);
  return true;
}
