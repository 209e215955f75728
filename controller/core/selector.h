// Selectors of operators, "kind/name[@node]": `*` matches any number of characters in each of the
// three parts. "*" alone matches everything.
#pragma once

#include <string>
#include <string_view>

#include "common/base/result.h"

namespace holdfast::controller {

struct Selector {
  std::string source;  // "kind/name", with `*`
  std::string node;    // with `*`; empty: any
};

// kInvalidArgument with the reason.
Result<Selector> ParseSelector(std::string_view text);
}  // namespace holdfast::controller
