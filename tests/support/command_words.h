// Splits command lines for tests.
#pragma once

#include <string>
#include <vector>

namespace holdfast::testing {

// {"run", "list"} for "run list"; empty for an empty text.
inline std::vector<std::string> CommandWords(const std::string& name) {
  if (name.empty()) return {};
  std::vector<std::string> words(1);
  for (const char c : name) {
    if (c == ' ') {
      words.emplace_back();
    } else {
      words.back() += c;
    }
  }
  return words;
}

}  // namespace holdfast::testing
