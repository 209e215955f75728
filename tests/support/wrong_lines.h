// Tables of command lines that a program must refuse.
#pragma once

#include <string>
#include <vector>

#include "tests/support/catch.h"

namespace holdfast::testing {

struct WrongLine {
  std::vector<std::string> argv;
  std::vector<std::string> parts;  // of the error's text
};

// `mistake` returns the error's text for `argv`.
template <typename Mistake>
void RequireMistakes(const Mistake& mistake, const std::vector<WrongLine>& lines) {
  for (const WrongLine& line : lines) {
    std::string typed;
    for (const std::string& word : line.argv) typed += word + " ";
    INFO(typed);
    const std::string text = mistake(line.argv);
    for (const std::string& part : line.parts) REQUIRE_THAT(text, Catch::Contains(part));
  }
}

}  // namespace holdfast::testing
