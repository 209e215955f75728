// Time as a seam: production code asks a Clock, tests give it one they move by hand.
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
  // Likewise, and goes on while the machine sleeps; for how old something is.
  virtual Instant Boot() const { return Monotonic(); }
};

// The machine's clock.
class SystemClock final : public Clock {
 public:
  WallTime Now() const override;
  Instant Monotonic() const override;
  Instant Boot() const override;
};

// RFC 3339 in UTC with `Z`, up to nine digits of fraction, trailing zeros removed; the year is
// clamped to 0..9999 (restic's tree and snapshot times, docs/repository-format.md).
std::string FormatTime(WallTime time);
// The same for seconds and nanoseconds since 1970, which reach further than WallTime does.
std::string FormatTime(std::int64_t seconds, std::uint32_t nanoseconds);
// Whole seconds, for messages and tables.
std::string FormatShortTime(WallTime time);
// `text` without the fraction of its seconds where it is an RFC 3339 time, else `text` itself.
std::string ShortenTime(std::string text);
// Any RFC 3339 time, with any offset. kInvalidArgument when it is not one.
struct UnixTime {
  std::int64_t seconds = 0;       // since 1970-01-01T00:00:00Z, may be negative
  std::uint32_t nanoseconds = 0;  // 0..999'999'999
  auto operator<=>(const UnixTime&) const = default;
};
// `utc_offset_s`, unless null, is set to the offset that the text has, in seconds east of UTC.
Result<UnixTime> ParseUnixTime(std::string_view text, int* utc_offset_s = nullptr);
UnixTime ToUnixTime(WallTime time);
Result<WallTime> ParseTime(std::string_view text);  // kInvalidArgument also outside 1678..2261

}  // namespace holdfast
