// Why a text is no YAML, in words that say what to change. The parser says only where it stopped
// and what it expected there.
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

// `line` and `column` are where the parser stopped, `said` its own words.
YamlFault ExplainYamlFault(std::string_view text, int line, int column, std::string_view said);

// Where the quoted scalar that begins at `begin` ends: behind its closing quote; npos when it is
// never closed. REQUIRES: text[begin] is a quote.
std::size_t EndOfQuoted(std::string_view text, std::size_t begin);

}  // namespace holdfast::config
