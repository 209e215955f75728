#include "common/repository/tree/path_filter.h"

#include <algorithm>
#include <cstdint>
#include <optional>

#include "common/base/format.h"

namespace holdfast::repository {
namespace {

constexpr std::string_view kAnyParts = "**";

// Removes one character from the front: a UTF-8 code point, or a byte of invalid UTF-8.
std::uint32_t TakeCharacter(std::string_view& text) {
  const auto byte = [&text](std::size_t i) { return static_cast<std::uint8_t>(text[i]); };
  const std::uint8_t first = byte(0);
  const std::size_t size = first < 0xC2 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
  bool is_good = first < 0xF5 && size <= text.size();
  std::uint32_t value = size == 1 ? first : first & (0xFFU >> (size + 1));
  for (std::size_t i = 1; i < size && is_good; ++i) {
    is_good = (byte(i) & 0xC0U) == 0x80U;
    value = value << 6 | (byte(i) & 0x3FU);
  }
  if (!is_good || (first >= 0x80 && size == 1)) {
    text.remove_prefix(1);
    return 0x110000U + first;  // beyond all code points, so that no range contains it
  }
  text.remove_prefix(size);
  return value;
}

// Removes one end of a range in brackets; nullopt without one.
std::optional<std::uint32_t> TakeRangeEnd(std::string_view& pattern) {
  if (pattern.empty() || pattern[0] == '-' || pattern[0] == ']') return std::nullopt;
  if (pattern[0] == '\\') pattern.remove_prefix(1);
  if (pattern.empty()) return std::nullopt;
  return TakeCharacter(pattern);
}

// Removes "[...]" from the front and returns whether it contains `character`; nullopt if malformed.
std::optional<bool> TakeClass(std::string_view& pattern, std::uint32_t character) {
  pattern.remove_prefix(1);
  const bool is_negated = pattern.starts_with('^');
  if (is_negated) pattern.remove_prefix(1);
  bool is_in = false;
  for (bool is_first = true; is_first || !pattern.starts_with(']'); is_first = false) {
    const std::optional<std::uint32_t> low = TakeRangeEnd(pattern);
    if (!low) return std::nullopt;
    std::optional<std::uint32_t> high = low;
    if (pattern.starts_with('-')) {
      pattern.remove_prefix(1);
      high = TakeRangeEnd(pattern);
      if (!high) return std::nullopt;
    }
    is_in = is_in || (*low <= character && character <= *high);
    if (pattern.empty()) return std::nullopt;
  }
  pattern.remove_prefix(1);
  return is_in != is_negated;
}

// Removes one character from `part` and its match from `pattern`; false if they differ.
bool TakeOne(std::string_view& pattern, std::string_view& part) {
  if (part.empty()) return false;
  const std::uint32_t character = TakeCharacter(part);
  if (pattern[0] == '[') return TakeClass(pattern, character).value_or(false);
  if (pattern[0] == '?') {
    pattern.remove_prefix(1);
    return true;
  }
  if (pattern[0] == '\\') pattern.remove_prefix(1);
  return !pattern.empty() && TakeCharacter(pattern) == character;
}

std::vector<std::string_view> Cut(std::string_view path) {
  std::vector<std::string_view> parts;
  while (!path.empty()) {
    const std::size_t slash = std::min(path.find('/'), path.size());
    if (slash > 0) parts.push_back(path.substr(0, slash));
    path.remove_prefix(std::min(slash + 1, path.size()));
  }
  return parts;
}

}  // namespace

bool IsPatternPart(std::string_view pattern) {
  while (!pattern.empty()) {
    if (pattern[0] == '[') {
      if (!TakeClass(pattern, 0)) return false;
      continue;
    }
    if (pattern[0] == '\\') pattern.remove_prefix(1);
    if (pattern.empty()) return false;
    (void)TakeCharacter(pattern);
  }
  return true;
}

bool MatchesPart(std::string_view pattern, std::string_view part) {
  // The pattern after the last `*`, and the rest of the part that this `*` does not cover yet.
  std::optional<std::string_view> after_star;
  std::string_view rest;
  for (;;) {
    if (pattern.starts_with('*')) {
      pattern.remove_prefix(1);
      after_star = pattern;
      rest = part;
      continue;
    }
    if (pattern.empty() && part.empty()) return true;
    std::string_view next_pattern = pattern;
    std::string_view next_part = part;
    if (!pattern.empty() && TakeOne(next_pattern, next_part)) {
      pattern = next_pattern;
      part = next_part;
      continue;
    }
    if (!after_star || rest.empty()) return false;
    (void)TakeCharacter(rest);
    pattern = *after_star;
    part = rest;
  }
}

Result<PathFilter::Pattern> PathFilter::ParseOne(std::string_view option, const std::string& text) {
  Pattern pattern;
  std::string_view rest = text;
  if (rest.starts_with('!')) {
    pattern.is_negated = true;
    rest.remove_prefix(1);
  }
  pattern.is_absolute = rest.starts_with('/');
  for (const std::string_view part : Cut(rest)) {
    if (part == ".") continue;
    if (part == ".." && !pattern.parts.empty() && pattern.parts.back() != "..") {
      pattern.parts.pop_back();
      continue;
    }
    if (part == ".." && pattern.is_absolute) continue;
    if (!IsPatternPart(part)) {
      return Fail(
          ErrorCode::kInvalidArgument,
          fmt::format("{} {}: {} is not a pattern", option, Quote(text), Quote(part)),
          R"(brackets need an end and something in them, "\" a character after it; "\[" is )"
          "a bracket itself");
    }
    pattern.parts.emplace_back(part);
  }
  if (pattern.parts.empty()) {
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("{} {}: it matches nothing", option, Quote(text)),
                "leave it out for everything, or give a path from the top of the snapshot: "
                "\"/data/etc\", \"*.conf\"");
  }
  // The empty text before the leading slash is a part, too, which `*` can match.
  if (pattern.is_absolute) pattern.parts.emplace(pattern.parts.begin());
  return pattern;
}

Result<PathFilter> PathFilter::Parse(const std::vector<std::string>& include,
                                     const std::vector<std::string>& exclude) {
  if (!include.empty() && !exclude.empty()) {
    return Fail(ErrorCode::kInvalidArgument, "--include and --exclude exclude each other",
                R"(a pattern that begins with "!" excludes what the patterns before it matched)");
  }
  PathFilter filter;
  filter.excludes_ = !exclude.empty();
  for (const std::string& text : filter.excludes_ ? exclude : include) {
    HF_ASSIGN(Pattern pattern, ParseOne(filter.excludes_ ? "--exclude" : "--include", text));
    filter.patterns_.push_back(std::move(pattern));
  }
  return filter;
}

// Follows all possible matches at once: `ways[i]` is whether the first i parts of the pattern match
// up to here.
PathFilter::Verdict PathFilter::Match(const Pattern& pattern,
                                      const std::vector<std::string_view>& path) {
  const std::size_t count = pattern.parts.size();
  std::vector<bool> ways(count + 1);
  const auto skip_any_parts = [&] {
    for (std::size_t i = 0; i < count; ++i) {
      if (ways[i] && pattern.parts[i] == kAnyParts) ways[i + 1] = true;
    }
  };
  ways[0] = true;
  skip_any_parts();
  for (const std::string_view part : path) {
    if (ways[count]) break;
    std::vector<bool> next(count + 1);
    for (std::size_t i = 0; i < count; ++i) {
      if (!ways[i]) continue;
      if (pattern.parts[i] == kAnyParts) {
        next[i] = true;
      } else if (MatchesPart(pattern.parts[i], part)) {
        next[i + 1] = true;
      }
    }
    if (!pattern.is_absolute) next[0] = true;
    ways = std::move(next);
    skip_any_parts();
  }
  return {.is_selected = ways[count],
          .may_select_below = std::ranges::find(ways, true) != ways.end()};
}

PathFilter::Verdict PathFilter::Judge(std::string_view path) const {
  if (patterns_.empty()) return {};
  std::vector<std::string_view> parts = Cut(path);
  parts.emplace(parts.begin());
  Verdict found{.is_selected = false, .may_select_below = false};
  for (const Pattern& pattern : patterns_) {
    const Verdict one = Match(pattern, parts);
    if (pattern.is_negated) {
      found.is_selected = found.is_selected && !one.is_selected;
      found.may_select_below = found.may_select_below && !one.is_selected;
    } else {
      found.is_selected = found.is_selected || one.is_selected;
      found.may_select_below = found.may_select_below || one.may_select_below;
    }
  }
  if (!excludes_) return found;
  // Nothing below an excluded directory is selected again.
  return {.is_selected = !found.is_selected, .may_select_below = !found.is_selected};
}

}  // namespace holdfast::repository
