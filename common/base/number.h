// Numbers in text.
#pragma once

#include <charconv>
#include <optional>
#include <string_view>
#include <system_error>

namespace holdfast {

// The whole number that `text` consists of, without blanks or "+". Nullopt for any other text, also
// for a number that `Number` cannot represent.
template <typename Number>
std::optional<Number> ParseWhole(std::string_view text, int base = 10) {
  Number number{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number, base);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

}  // namespace holdfast
