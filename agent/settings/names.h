// What things may be called in configuration files.
#pragma once

#include <string_view>

#include "common/base/result.h"
#include "common/config/schema.h"

namespace holdfast {

inline constexpr std::size_t kNameBytesMax = 64;

// Letters, digits, ".", "_" and "-", the first a letter or digit, at most kNameBytesMax.
bool IsName(std::string_view text, bool upper_allowed);

// The error of a name that !IsName(name, false): "<place>: <what> called <name>; expected ...".
std::unexpected<Error> BadName(const config::Location& location, std::string_view what,
                               std::string_view name);

}  // namespace holdfast
