// Tables of texts that a parser must refuse.
#pragma once

#include <string>
#include <vector>

#include "tests/support/results.h"

namespace holdfast::testing {

struct Refusal {
  std::string text;
  std::string message;  // a part of the error's text
};

// Requires that `parse` fails for each text, with `code` and the row's message.
template <typename Parse>
void RequireRefused(const Parse& parse, ErrorCode code, const std::vector<Refusal>& rows) {
  for (const Refusal& row : rows) {
    INFO(row.text.substr(0, 200));
    REQUIRE_FAILS(parse(row.text), code, row.message);
  }
}

}  // namespace holdfast::testing
