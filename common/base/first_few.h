// The first few of many, for messages.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "common/base/format.h"

namespace holdfast {

// "a, b, c and 7 more".
inline std::string FirstFew(const std::vector<std::string>& texts) {
  constexpr std::size_t kShown = 5;
  std::string text;
  for (std::size_t i = 0; i < std::min(texts.size(), kShown); ++i)
    text += (i == 0 ? "" : ", ") + texts[i];
  if (texts.size() > kShown) text += fmt::format(" and {} more", texts.size() - kShown);
  return text;
}

// Likewise, each in quotes.
inline std::string FirstFewQuoted(std::vector<std::string> texts) {
  for (std::string& text : texts) text = Quote(text);
  return FirstFew(texts);
}

}  // namespace holdfast
