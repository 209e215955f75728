// Suggestions for mistyped names.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace holdfast {

// The candidate that is the fewest edits (insert, remove, replace one character; swap two
// neighbours) away from `text`; empty when none is near enough to be a typing error.
std::string Nearest(std::string_view text, const std::vector<std::string>& candidates);

// "did you mean \"backup\"?", or empty when no candidate is near `text`.
std::string DidYouMean(std::string_view text, const std::vector<std::string>& candidates);
// "MESSAGE; did you mean \"backup\"?", or `message` when no candidate is near `text`.
std::string WithSuggestion(std::string message, std::string_view text,
                           const std::vector<std::string>& candidates);

}  // namespace holdfast
