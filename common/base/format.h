// Text formatting: fmt under one name, and the few forms that people read everywhere.
#pragma once

#include <fmt/format.h>

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

namespace holdfast {

// `text` in double quotes, with `"`, `\` and bytes that a terminal must not see escaped as in C.
std::string Quote(std::string_view text);

// "1.5 GiB", "812 B": binary units, three significant digits at most.
std::string FormatBytes(std::uint64_t bytes);

// 1234567 -> "1,234,567".
std::string FormatCount(std::uint64_t count);
// "1 snapshot", "1,234 snapshots", "2 directories". `noun` is the singular form of a regular
// English noun; words before it stay as they are: "dead lock", "dead locks".
std::string FormatCount(std::uint64_t count, std::string_view noun);

// "3m 07s", "1.2s", "85ms".
std::string FormatDuration(std::chrono::nanoseconds duration);

}  // namespace holdfast
