#include <set>

#include "common/base/bytes.h"
#include "common/base/clock.h"
#include "common/base/format.h"
#include "common/base/number.h"
#include "common/base/path.h"
#include "common/base/result.h"
#include "common/base/ulid.h"
#include "tests/support/catch.h"
#include "tests/support/manual_clock.h"
#include "tests/support/results.h"
#include "tests/support/seeded_random.h"

namespace holdfast {
namespace {
using testing::Unwrap;

Result<int> Half(int n) {
  if (n % 2 != 0) return Fail(ErrorCode::kInvalidArgument, "odd", "give an even number");
  return n / 2;
}
Result<int> Quarter(int n) {
  HF_ASSIGN(int half, Half(n));
  return Half(half);
}

TEST_CASE("result: the macros pass values and errors on") {
  REQUIRE(Unwrap(Quarter(12)) == 3);
  REQUIRE_FAILS(Quarter(6), ErrorCode::kInvalidArgument, "odd");
  Error error = Half(1).error().While("cut \"x\"");
  REQUIRE(error.Text() == "cut \"x\": odd (hint: give an even number)");
  REQUIRE(std::move(error).WithHint("another").hint() == "give an even number");
}

TEST_CASE("result: context that is already present is not repeated") {
  const Error error = Half(1).error().While("cut");
  REQUIRE(error.While("cut").message() == "cut: odd");
  REQUIRE(error.While("cu").message() == "cu: cut: odd");
  REQUIRE(error.While("job").While("cut").message() == "cut: job: cut: odd");
}

TEST_CASE("result: errno values become codes") {
  REQUIRE(ErrnoError(ENOENT, "open").code() == ErrorCode::kNotFound);
  REQUIRE(ErrnoError(EROFS, "write").message() == "write: read-only file system");
  REQUIRE(ErrnoError(ENOSPC, "write").code() == ErrorCode::kNoSpace);
  REQUIRE(ErrnoError(EIO, "read").retryable());
}

TEST_CASE("bytes: hexadecimal and base64 round-trip") {
  const char* pairs[][2] = {
      {"", ""}, {"f", "Zg=="}, {"fo", "Zm8="}, {"foo", "Zm9v"}, {"foob", "Zm9vYg=="}};
  for (const auto& [plain, encoded] : pairs) {
    REQUIRE(Base64Encode(AsBytes(plain)) == encoded);
    REQUIRE(Unwrap(Base64Decode(encoded)) == ToBytes(plain));
  }
  for (const char* bad : {"Zg", "Zg=", "Zh==", "Zm9=", "Z===", "Zg==Zg==", "Zm9*"}) {
    INFO(bad);
    REQUIRE_FALSE(Base64Decode(bad));
  }
  REQUIRE(HexEncode(Bytes{0, 0xab, 0xff}) == "00abff");
  REQUIRE(Unwrap(HexDecode("00aBff")) == Bytes{0, 0xab, 0xff});
  REQUIRE_FALSE(HexDecode("0"));
  REQUIRE_FALSE(HexDecode("0g"));
  REQUIRE(PercentDecode("a%20b%25") == "a b%");
  REQUIRE(PercentDecode("100%") == "100%");
  REQUIRE(PercentDecode("%zz%4") == "%zz%4");
}

TEST_CASE("clock: times are formatted like restic's") {
  REQUIRE(FormatTime(0, 0) == "1970-01-01T00:00:00Z");
  REQUIRE(FormatTime(1'700'000'000, 120'000'000) == "2023-11-14T22:13:20.12Z");
  REQUIRE(FormatTime(-1, 999'999'999) == "1969-12-31T23:59:59.999999999Z");
  REQUIRE(FormatTime(999'999'999'999, 0) == "9999-12-31T23:59:59Z");
  REQUIRE(FormatTime(-99'999'999'999, 0) == "0000-01-01T00:00:00Z");
}

TEST_CASE("clock: times with any offset are parsed") {
  REQUIRE(Unwrap(ParseUnixTime("2023-11-14T22:13:20.12Z")) == UnixTime{1'700'000'000, 120'000'000});
  REQUIRE(Unwrap(ParseUnixTime("2023-11-15T00:13:20+02:00")) == UnixTime{1'700'000'000, 0});
  REQUIRE(Unwrap(ParseUnixTime("1969-12-31T23:59:59.5Z")) == UnixTime{-1, 500'000'000});
  for (const char* bad : {"", "2023", "2023-13-01T00:00:00Z", "2023-02-30T00:00:00Z",
                          "2023-01-01T24:00:00Z", "2023-01-01T00:00:00", "2023-01-01T00:00:00Zx"}) {
    INFO(bad);
    REQUIRE_FALSE(ParseUnixTime(bad));
  }
}

TEST_CASE("ulid: sorts by time, and other text is not one") {
  testing::ManualClock clock;
  testing::SeededRandom random;
  std::string first = MakeUlid(clock, random);
  clock.Advance(std::chrono::milliseconds(1));
  std::string second = MakeUlid(clock, random);
  REQUIRE(first < second);
  REQUIRE(IsUlid(first));
  REQUIRE(first.substr(0, 10) == "01HF7YAT00");
  REQUIRE_FALSE(IsUlid("01HF7YAT0"));
  REQUIRE_FALSE(IsUlid("8ZZZZZZZZZZZZZZZZZZZZZZZZZ"));
}

TEST_CASE("format: sizes and durations for people") {
  REQUIRE(FormatBytes(812) == "812 B");
  REQUIRE(FormatBytes(1536) == "1.50 KiB");
  REQUIRE(FormatBytes(16U << 20) == "16.0 MiB");
  REQUIRE(FormatBytes(~0ULL) == "16.0 EiB");
  REQUIRE(FormatDuration(std::chrono::milliseconds(85)) == "85ms");
  REQUIRE(FormatDuration(std::chrono::milliseconds(1200)) == "1.2s");
  REQUIRE(FormatDuration(std::chrono::seconds(187)) == "3m 07s");
  REQUIRE(FormatDuration(std::chrono::seconds(3723)) == "1h 02m 03s");
  REQUIRE(FormatCount(0) == "0");
  REQUIRE(FormatCount(999) == "999");
  REQUIRE(FormatCount(1000) == "1,000");
  REQUIRE(FormatCount(1234567) == "1,234,567");
  REQUIRE(Quote("a\n\"\x01") == "\"a\\n\\\"\\x01\"");
}

TEST_CASE("format: nouns agree with their counts") {
  REQUIRE(FormatCount(1, "item") == "1 item");
  REQUIRE(FormatCount(0, "item") == "0 items");
  REQUIRE(FormatCount(1234, "dead lock") == "1,234 dead locks");
  REQUIRE(FormatCount(2, "repository") == "2 repositories");
  REQUIRE(FormatCount(2, "key") == "2 keys");
  REQUIRE(FormatCount(2, "process") == "2 processes");
  REQUIRE(FormatCount(1, "process") == "1 process");
}

TEST_CASE("clock: times for people are in whole seconds") {
  REQUIRE(FormatShortTime(WallTime(std::chrono::milliseconds(1'700'000'000'999))) ==
          "2023-11-14T22:13:20Z");
  REQUIRE(FormatShortTime(WallTime(std::chrono::milliseconds(-1))) == "1969-12-31T23:59:59Z");
  REQUIRE(ShortenTime("2026-11-24T09:21:00.099278988Z") == "2026-11-24T09:21:00Z");
  REQUIRE(ShortenTime("4711.5") == "4711.5");
}

TEST_CASE("clock: a time before 1970 survives the conversion") {
  const UnixTime time{-2, 999'999'999};
  REQUIRE(ToUnixTime(ToWallTime(time)) == time);
}

TEST_CASE("bytes: only zeros are all zero") {
  REQUIRE(IsAllZero({}));
  REQUIRE(IsAllZero(Bytes(3, 0)));
  REQUIRE_FALSE(IsAllZero(Bytes{0, 0, 1}));
  REQUIRE_FALSE(IsAllZero(Bytes{1, 1, 1}));
}

TEST_CASE("number: only a text that is wholly a number is one") {
  REQUIRE(ParseWhole<int>("-12") == -12);
  REQUIRE(ParseWhole<std::uint64_t>("ff", 16) == 255U);
  for (const char* bad : {"", " 1", "1 ", "+1", "0x1", "256", "-1"})
    REQUIRE_FALSE(ParseWhole<std::uint8_t>(bad));
}

TEST_CASE("path: parts of absolute and relative paths") {
  REQUIRE(BaseName("/a/b") == "b");
  REQUIRE(BaseName("b") == "b");
  REQUIRE(PathAbove("a/b/c") == "a/b");
  REQUIRE(PathAbove("/a").empty());
  REQUIRE(PathAbove("a").empty());
  REQUIRE(ParentPath("/a/b") == "/a");
  REQUIRE(ParentPath("/a") == "/");
  REQUIRE(ParentPath("a") == ".");
  REQUIRE(WithoutSlashes("/a//") == "/a");
  REQUIRE(WithoutSlashes("//") == "/");
}

}  // namespace
}  // namespace holdfast
