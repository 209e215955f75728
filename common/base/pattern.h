// What people write to mean several names at once.
#pragma once

#include <string_view>

namespace holdfast {

// Whether `text` matches `pattern`, in which `*` stands for any characters; only `*` is special.
bool MatchesPattern(std::string_view pattern, std::string_view text);

}  // namespace holdfast
