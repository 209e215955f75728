// ULID: 48 bits of milliseconds and 80 bits of randomness in 26 characters of Crockford's base32.
// Sorts by time; names runs (https://github.com/ulid/spec).
#pragma once

#include <string>
#include <string_view>

#include "common/base/clock.h"
#include "common/base/random.h"

namespace holdfast {

std::string MakeUlid(const Clock& clock, Random& random);
bool IsUlid(std::string_view text);

}  // namespace holdfast
