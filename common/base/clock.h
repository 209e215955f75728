// Injectable time: production code reads a Clock; tests pass one that they advance by hand.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "common/base/result.h"

namespace holdfast {

using WallTime = std::chrono::time_point<std::chrono::system_clock, std::chrono::nanoseconds>;
using Instant = std::chrono::time_point<std::chrono::steady_clock, std::chrono::nanoseconds>;

// Safe to call from several threads.
class Clock {
 public:
  virtual ~Clock() = default;
  // Calendar time; may jump.
  virtual WallTime Now() const = 0;
  // Never goes back; for durations and deadlines.
  virtual Instant Monotonic() const = 0;
  // The same, but also counts while the machine is suspended; for measuring ages.
  virtual Instant Boot() const { return Monotonic(); }
};

// The machine's clock.
class SystemClock final : public Clock {
 public:
  WallTime Now() const override;
  Instant Monotonic() const override;
  Instant Boot() const override;
};

// RFC 3339 in UTC with `Z` and up to nine fractional digits, without trailing zeros. The year is
// clamped to 0..9999 (restic's tree and snapshot times, docs/repository-format.md).
std::string FormatTime(WallTime time);
// The same for seconds and nanoseconds since 1970, which cover a wider range than WallTime.
std::string FormatTime(std::int64_t seconds, std::uint32_t nanoseconds);
// Whole seconds, for messages and tables.
std::string FormatShortTime(WallTime time);
// Formats an RFC 3339 time in UTC without fractional seconds; any other text is returned unchanged.
std::string ShortenTime(std::string text);
// A time with a wider range than WallTime.
struct UnixTime {
  std::int64_t seconds = 0;       // since 1970-01-01T00:00:00Z, may be negative
  std::uint32_t nanoseconds = 0;  // 0..999'999'999
  auto operator<=>(const UnixTime&) const = default;
};
// Parses any RFC 3339 time, with any offset; kInvalidArgument otherwise. `utc_offset_s`, unless
// null, is set to the time's offset in seconds east of UTC.
Result<UnixTime> ParseUnixTime(std::string_view text, int* utc_offset_s = nullptr);
UnixTime ToUnixTime(WallTime time);
// REQUIRES: `time` is in the range of WallTime, 1678..2261.
WallTime ToWallTime(UnixTime time);
Result<WallTime> ParseTime(std::string_view text);  // kInvalidArgument also outside 1678..2261

}  // namespace holdfast
