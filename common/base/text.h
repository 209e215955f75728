// Splits, trims and lower-cases untrusted text.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>

namespace holdfast {

// Removes the text before the first `separator` and the separator itself, and returns the former.
// Without a separator, returns all of `text`.
inline std::string_view TakePart(std::string_view& text, char separator) {
  const std::size_t end = std::min(text.find(separator), text.size());
  const std::string_view part = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return part;
}

// Removes the first line from `text`, and returns it without its "\n" or "\r\n".
inline std::string_view TakeLine(std::string_view& text) {
  std::string_view line = TakePart(text, '\n');
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

inline constexpr std::string_view kWhitespace = " \t\r\n";

// `text` without leading and trailing characters from `blanks`.
inline std::string_view Trim(std::string_view text, std::string_view blanks = " \t") {
  const std::size_t begin = text.find_first_not_of(blanks);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(blanks) - begin + 1);
}

// ASCII lower case, independent of the locale. Other bytes are unchanged.
inline std::string LowerCase(std::string_view text) {
  std::string lower(text);
  for (char& c : lower)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return lower;
}

}  // namespace holdfast
