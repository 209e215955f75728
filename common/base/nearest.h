// Suggestions for mistyped names.
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace holdfast {

// The candidate that is the fewest edits (insert, remove, replace one character; swap two
// neighbours) away from `text`; empty when none is near enough to be a typing error.
std::string Nearest(std::string_view text, const std::vector<std::string>& candidates);

// "did you mean \"backup\"?", or empty when no candidate is near `text`.
std::string DidYouMean(std::string_view text, const std::vector<std::string>& candidates);
// "MESSAGE; did you mean \"backup\"?", or `message` when nothing is `meant`.
std::string Suggesting(std::string message, std::string_view meant);
// The same with the nearest candidate.
std::string WithSuggestion(std::string message, std::string_view text,
                           const std::vector<std::string>& candidates);
// Whether `message` ends with a suggestion.
bool HasSuggestion(std::string_view message);

// The hexadecimal texts that are one edit away from `digits`, of which at most the first 16 count;
// those 16 themselves if there are more. They find an id by a mistyped beginning of it.
std::set<std::string> DigitsNear(std::string_view digits);

}  // namespace holdfast
