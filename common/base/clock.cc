#include "common/base/clock.h"

#include <time.h>

#include <algorithm>

#include "common/base/format.h"

namespace holdfast {
namespace {

// Removes `count` digits from the front of `text`; returns their value, or -1 if there are fewer.
int TakeDigits(std::string_view& text, std::size_t count) {
  if (text.size() < count) return -1;
  int value = 0;
  for (std::size_t i = 0; i < count; ++i) {
    if (text[i] < '0' || text[i] > '9') return -1;
    value = value * 10 + (text[i] - '0');
  }
  text.remove_prefix(count);
  return value;
}

bool TakeChar(std::string_view& text, char c) {
  if (text.empty() || text.front() != c) return false;
  text.remove_prefix(1);
  return true;
}

// Writes `value` as `count` decimal digits at `begin`.
void PutDigits(std::string& text, std::size_t begin, std::size_t count, std::uint32_t value) {
  for (std::size_t i = begin + count; i > begin; value /= 10) {
    text[--i] = static_cast<char>('0' + value % 10);
  }
}

}  // namespace

WallTime SystemClock::Now() const {
  return std::chrono::time_point_cast<std::chrono::nanoseconds>(std::chrono::system_clock::now());
}

Instant SystemClock::Monotonic() const {
  return std::chrono::time_point_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now());
}

Instant SystemClock::Boot() const {
  timespec now{};
  HF_CHECK(::clock_gettime(CLOCK_BOOTTIME, &now) == 0);
  return Instant(std::chrono::seconds(now.tv_sec) + std::chrono::nanoseconds(now.tv_nsec));
}

std::string FormatTime(std::int64_t seconds, std::uint32_t nanoseconds) {
  constexpr std::int64_t kYear0 = -62'167'219'200;     // 0000-01-01T00:00:00Z
  constexpr std::int64_t kYear9999 = 253'402'300'799;  // 9999-12-31T23:59:59Z
  seconds = std::clamp(seconds, kYear0, kYear9999);
  auto days = std::chrono::floor<std::chrono::days>(std::chrono::seconds(seconds));
  std::chrono::year_month_day date{std::chrono::sys_days(days)};
  const auto day_seconds = static_cast<std::uint32_t>(seconds - std::chrono::seconds(days).count());
  // Formatted by hand: a backup writes two times per file, and fmt takes five times as long.
  std::string text = "0000-00-00T00:00:00.000000000Z";
  PutDigits(text, 0, 4, static_cast<std::uint32_t>(static_cast<int>(date.year())));
  PutDigits(text, 5, 2, static_cast<unsigned>(date.month()));
  PutDigits(text, 8, 2, static_cast<unsigned>(date.day()));
  PutDigits(text, 11, 2, day_seconds / 3600);
  PutDigits(text, 14, 2, day_seconds / 60 % 60);
  PutDigits(text, 17, 2, day_seconds % 60);
  PutDigits(text, 20, 9, nanoseconds);
  const std::size_t last = nanoseconds == 0 ? 18 : text.find_last_not_of("0Z");
  text.resize(last + 1);
  text += 'Z';
  return text;
}

std::string FormatTime(WallTime time) {
  auto seconds = std::chrono::floor<std::chrono::seconds>(time);
  auto rest = time - seconds;
  return FormatTime(seconds.time_since_epoch().count(), static_cast<std::uint32_t>(rest.count()));
}

std::string FormatShortTime(WallTime time) {
  return FormatTime(std::chrono::floor<std::chrono::seconds>(time));
}

std::string ShortenTime(std::string text) {
  const Result<UnixTime> time = ParseUnixTime(text);
  return time ? FormatTime(time->seconds, 0) : text;
}

UnixTime ToUnixTime(WallTime time) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(time);
  return {seconds.time_since_epoch().count(), static_cast<std::uint32_t>((time - seconds).count())};
}

WallTime ToWallTime(UnixTime time) {
  return WallTime(std::chrono::seconds(time.seconds) + std::chrono::nanoseconds(time.nanoseconds));
}

Result<UnixTime> ParseUnixTime(std::string_view text, int* utc_offset_s) {
  constexpr std::size_t kShownBytesMax = 60;  // untrusted input
  const auto invalid = [whole = text] {
    return Fail(ErrorCode::kInvalidArgument,
                Quote(whole.substr(0, kShownBytesMax)) + " is not an RFC 3339 time");
  };
  int year = TakeDigits(text, 4);
  if (year < 0 || !TakeChar(text, '-')) return invalid();
  int month = TakeDigits(text, 2);
  if (month < 0 || !TakeChar(text, '-')) return invalid();
  int day = TakeDigits(text, 2);
  if (day < 0 || !(TakeChar(text, 'T') || TakeChar(text, 't') || TakeChar(text, ' '))) {
    return invalid();
  }
  int hour = TakeDigits(text, 2);
  if (hour < 0 || hour > 23 || !TakeChar(text, ':')) return invalid();
  int minute = TakeDigits(text, 2);
  if (minute < 0 || minute > 59 || !TakeChar(text, ':')) return invalid();
  int second = TakeDigits(text, 2);
  if (second < 0 || second > 60) return invalid();
  std::uint32_t nanoseconds = 0;
  if (TakeChar(text, '.')) {
    std::uint32_t scale = 100'000'000;
    bool any = false;
    while (!text.empty() && text.front() >= '0' && text.front() <= '9') {
      nanoseconds += static_cast<std::uint32_t>(text.front() - '0') * scale;
      scale /= 10;
      any = true;
      text.remove_prefix(1);
    }
    if (!any) return invalid();
  }
  int offset = 0;
  if (!TakeChar(text, 'Z') && !TakeChar(text, 'z')) {
    int sign = TakeChar(text, '+') ? 1 : (TakeChar(text, '-') ? -1 : 0);
    if (sign == 0) return invalid();
    int hours = TakeDigits(text, 2);
    if (hours < 0 || !TakeChar(text, ':')) return invalid();
    int minutes = TakeDigits(text, 2);
    if (minutes < 0) return invalid();
    offset = sign * (hours * 3600 + minutes * 60);
  }
  if (!text.empty()) return invalid();
  std::chrono::year_month_day date{std::chrono::year(year),
                                   std::chrono::month(static_cast<unsigned>(month)),
                                   std::chrono::day(static_cast<unsigned>(day))};
  if (!date.ok()) return invalid();
  std::int64_t days = std::chrono::sys_days(date).time_since_epoch().count();
  if (utc_offset_s != nullptr) *utc_offset_s = offset;
  return UnixTime{days * 86'400 + hour * 3600 + minute * 60 + second - offset, nanoseconds};
}

Result<WallTime> ParseTime(std::string_view text) {
  HF_ASSIGN(UnixTime time, ParseUnixTime(text));
  constexpr std::int64_t kSecondsMax = 9'223'372'035;  // the range of 64-bit nanoseconds
  if (time.seconds < -kSecondsMax || time.seconds > kSecondsMax) {
    return Fail(ErrorCode::kInvalidArgument, fmt::format("time \"{}\" is out of range", text));
  }
  return ToWallTime(time);
}

}  // namespace holdfast
