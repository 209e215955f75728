// Wildcard patterns for names.
#pragma once

#include <string_view>

namespace holdfast {

// Whether `text` matches `pattern`, in which `*` matches any characters; nothing else is special.
bool MatchesPattern(std::string_view pattern, std::string_view text);

}  // namespace holdfast
