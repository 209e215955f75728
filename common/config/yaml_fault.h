// Explains why a text is not valid YAML, and what to change. The parser only reports where it
// stopped and what it expected there.
#pragma once

#include <string>
#include <string_view>

namespace holdfast::config {

// Lines and columns are counted from 1.
struct YamlFault {
  int line = 1;
  int column = 1;
  std::string cause;
  std::string fix;
};

// The parser stopped at `line` and `column` with the message `said`.
YamlFault ExplainYamlFault(std::string_view text, int line, int column, std::string_view said);

// The end of the quoted scalar that begins at `begin`: after its closing quote, or npos if it is
// never closed. REQUIRES: text[begin] is a quote.
std::size_t EndOfQuoted(std::string_view text, std::size_t begin);

}  // namespace holdfast::config
