#include "common/base/pattern.h"

#include <cstddef>

namespace holdfast {

bool MatchesPattern(std::string_view pattern, std::string_view text) {
  std::size_t star = std::string_view::npos;  // the last `*` seen, and the end of its match
  std::size_t resume = 0;
  std::size_t p = 0;
  std::size_t t = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      resume = t;
    } else if (p < pattern.size() && pattern[p] == text[t]) {
      ++p;
      ++t;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      t = ++resume;
    } else {
      return false;
    }
  }
  return pattern.find_first_not_of('*', p) == std::string_view::npos;
}

}  // namespace holdfast
