// Suggestions for mistyped names.
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace holdfast {

// The candidate closest to `text` by edits (insert, remove or replace one character, swap two
// adjacent ones); empty if none is close enough to be a typo.
std::string FindNearest(std::string_view text, const std::vector<std::string>& candidates);

// "did you mean \"backup\"?", or empty if no candidate is close to `text`.
std::string DidYouMean(std::string_view text, const std::vector<std::string>& candidates);
// "MESSAGE; did you mean \"backup\"?", or `message` if `meant` is empty.
std::string Suggesting(std::string message, std::string_view meant);
// The same with the nearest candidate.
std::string WithSuggestion(std::string message, std::string_view text,
                           const std::vector<std::string>& candidates);
// Whether `message` ends with a suggestion.
bool HasSuggestion(std::string_view message);

// All hexadecimal texts one edit away from `digits`, to find an id by a mistyped prefix. Only the
// first 16 digits are used; if there are more, these 16 are among the results.
std::set<std::string> DigitsNear(std::string_view digits);

}  // namespace holdfast
