#include "common/base/character_widths.h"

#include <algorithm>
#include <span>

namespace holdfast {
namespace {

bool IsIn(std::span<const CodePointRange> ranges, char32_t value) {
  const auto found = std::ranges::lower_bound(ranges, value, {}, &CodePointRange::last);
  return found != ranges.end() && found->first <= value;
}

}  // namespace

std::size_t CharacterColumns(char32_t value) {
  if (value < 0x300) return 1;  // below the first combining character
  if (IsIn({kCombining, kCombiningCount}, value)) return 0;
  return IsIn({kWide, kWideCount}, value) ? 2 : 1;
}

bool IsUnsafe(char32_t value) { return IsIn({kUnsafe, kUnsafeCount}, value); }

}  // namespace holdfast
