// Lines of a text that somebody else wrote.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string_view>

namespace holdfast {

// Takes a line off the front, without its end: "\n", "\r\n", or that of the text.
inline std::string_view TakeLine(std::string_view& text) {
  const std::size_t end = std::min(text.find('\n'), text.size());
  std::string_view line = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

}  // namespace holdfast
