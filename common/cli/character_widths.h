// How many columns of a terminal a character takes. The tables are written by
// scripts/generate-character-widths.
#pragma once

#include <cstddef>

#include "common/base/utf8.h"

namespace holdfast::cli {

extern const CodePointRange kCombining[];
extern const std::size_t kCombiningCount;
extern const CodePointRange kWide[];
extern const std::size_t kWideCount;
extern const CodePointRange kUnsafe[];
extern const std::size_t kUnsafeCount;

// 0 for a combining character, 2 for a wide one of East Asia, else 1.
std::size_t CharacterColumns(char32_t value);
// Controls, format characters (those that change the direction of text among them), and separators
// of lines: a terminal obeys them or hides them.
bool IsUnsafe(char32_t value);

}  // namespace holdfast::cli
