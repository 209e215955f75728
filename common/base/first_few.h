// Shortens long lists for messages.
#pragma once

#include <ranges>
#include <string>
#include <vector>

#include "common/base/format.h"

namespace holdfast {

// "a, b, c, d, e and 7 more".
inline std::string JoinFirst(const std::vector<std::string>& texts) {
  constexpr std::size_t kShown = 5;
  std::string text = JoinTexts(texts | std::views::take(kShown));
  if (texts.size() > kShown) text += fmt::format(" and {} more", texts.size() - kShown);
  return text;
}

// The same, with each text in quotes.
inline std::string JoinFirstQuoted(std::vector<std::string> texts) {
  for (std::string& text : texts) text = Quote(text);
  return JoinFirst(texts);
}

}  // namespace holdfast
