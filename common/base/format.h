// Text formatting: fmt, and the common human-readable forms.
#pragma once

#include <fmt/format.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace holdfast {

// `text` in double quotes; `"`, `\` and control characters are escaped as in C.
std::string Quote(std::string_view text);

// "1.5 GiB", "812 B": binary units, at most three significant digits.
std::string FormatBytes(std::uint64_t bytes);

// 1234567 -> "1,234,567".
std::string FormatCount(std::uint64_t count);
// "1 snapshot", "1,234 snapshots", "2 directories". `noun` is the singular form of a regular
// English noun; words before it are unchanged: "dead lock", "dead locks".
std::string FormatCount(std::uint64_t count, std::string_view noun);

// "3m 07s", "1.2s", "85ms".
std::string FormatDuration(std::chrono::nanoseconds duration);

// "a, b, c": the elements, or what `text_of` returns for each.
template <typename Elements, typename TextOf = std::identity>
std::string JoinTexts(const Elements& elements, TextOf text_of = {}) {
  std::string joined;
  for (const auto& element : elements) {
    if (!joined.empty()) joined += ", ";
    joined += std::invoke(text_of, element);
  }
  return joined;
}

}  // namespace holdfast
