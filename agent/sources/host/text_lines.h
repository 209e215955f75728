// Splits untrusted text into lines.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string_view>

namespace holdfast {

// Removes the first line from `text`, and returns it without its "\n" or "\r\n".
inline std::string_view TakeLine(std::string_view& text) {
  const std::size_t end = std::min(text.find('\n'), text.size());
  std::string_view line = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

}  // namespace holdfast
