// Names allowed in configuration files.
#pragma once

#include <string_view>

#include "common/base/result.h"
#include "common/config/schema.h"

namespace holdfast {

inline constexpr std::size_t kNameBytesMax = 64;

// Letters, digits, ".", "_" and "-"; starts with a letter or digit; at most kNameBytesMax bytes.
bool IsName(std::string_view text, bool upper_allowed);

// The error for a name for which IsName(name, false) fails: "<place>: <what> called <name>;
// expected ...".
std::unexpected<Error> BadName(const config::Location& location, std::string_view what,
                               std::string_view name);

}  // namespace holdfast
