// Terminal columns of a character. scripts/generate-character-widths writes the tables.
#pragma once

#include <cstddef>

#include "common/base/utf8.h"

namespace holdfast {

extern const CodePointRange kCombining[];
extern const std::size_t kCombiningCount;
extern const CodePointRange kWide[];
extern const std::size_t kWideCount;
extern const CodePointRange kUnsafe[];
extern const std::size_t kUnsafeCount;

// 0 for a combining character, 2 for a wide East Asian one, otherwise 1.
std::size_t CharacterColumns(char32_t value);
// Controls, format characters (including those that change the direction of text), and line
// separators: a terminal obeys or hides them.
bool IsUnsafe(char32_t value);

}  // namespace holdfast
