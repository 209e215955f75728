// What operators mean by "kind/name[@node]": `*` stands for any number of characters in each of the
// three; "*" alone is everything.
#pragma once

#include <string>
#include <string_view>

#include "common/base/result.h"

namespace holdfast::controller {

struct Selector {
  std::string source;  // "kind/name", with `*`
  std::string node;    // with `*`; empty: any
};

// kInvalidArgument names what is wrong with it.
Result<Selector> ParseSelector(std::string_view text);
}  // namespace holdfast::controller
