#include "common/base/nearest.h"

#include <algorithm>
#include <cstddef>
#include <numeric>

#include "common/base/format.h"

namespace holdfast {
namespace {

constexpr std::string_view kDidYouMean = "did you mean ";

// Optimal string alignment distance: swapping two adjacent characters counts as one edit.
std::size_t EditDistance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> before(b.size() + 1);
  std::vector<std::size_t> last(b.size() + 1);
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(last.begin(), last.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      row[j] =
          std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1)});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        row[j] = std::min(row[j], before[j - 2] + 1);
      }
    }
    std::swap(before, last);
    std::swap(last, row);
  }
  return last.back();
}

}  // namespace

std::string FindNearest(std::string_view text, const std::vector<std::string>& candidates) {
  std::string nearest;
  // Allows one edit in short words and up to three in long ones; beyond that, a guess misleads.
  std::size_t distance_max = std::clamp<std::size_t>(text.size() / 3, 1, 3);
  for (const std::string& candidate : candidates) {
    if (candidate == text) continue;  // the name exists; something else is wrong
    const std::size_t distance = EditDistance(text, candidate);
    if (distance > distance_max) continue;
    nearest = candidate;
    distance_max = distance - 1;
  }
  return nearest;
}

std::string DidYouMean(std::string_view text, const std::vector<std::string>& candidates) {
  const std::string nearest = FindNearest(text, candidates);
  return nearest.empty() ? "" : fmt::format("{}{}?", kDidYouMean, Quote(nearest));
}

std::string Suggesting(std::string message, std::string_view meant) {
  if (meant.empty()) return message;
  return fmt::format("{}; {}{}?", message, kDidYouMean, Quote(meant));
}

std::string WithSuggestion(std::string message, std::string_view text,
                           const std::vector<std::string>& candidates) {
  return Suggesting(std::move(message), FindNearest(text, candidates));
}

bool HasSuggestion(std::string_view message) {
  return message.ends_with('?') && message.find(kDidYouMean) != std::string_view::npos;
}

std::set<std::string> DigitsNear(std::string_view digits) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  constexpr std::size_t kDigitsMax = 16;
  std::set<std::string> near;
  const std::string text(digits.substr(0, kDigitsMax));
  for (std::size_t i = 0; i < text.size(); ++i) {
    near.insert(std::string(text).erase(i, 1));
    if (i > 0) {
      std::string swapped = text;
      std::swap(swapped[i - 1], swapped[i]);
      near.insert(std::move(swapped));
    }
    for (const char digit : kDigits) {
      near.insert(std::string(text).replace(i, 1, 1, digit));
      near.insert(std::string(text).insert(i, 1, digit));
    }
  }
  near.erase("");
  if (digits.size() <= kDigitsMax) near.erase(text);
  return near;
}

}  // namespace holdfast
