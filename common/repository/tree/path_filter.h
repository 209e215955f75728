// Patterns that select paths of a snapshot, with the same meaning as in restic.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"

namespace holdfast::repository {

// Patterns to include or to exclude. A pattern is split at `/` and matches a path if its parts
// match consecutive parts of the path: from the first part on if the pattern begins with `/`,
// otherwise anywhere. It also matches all below that path. In a part, `*` matches any characters,
// `?` one character, `[a-c]` one of these and `[^a-c]` any other; `\` escapes the next character.
// The part `**` matches any number of parts. A pattern that begins with `!` excludes what the
// patterns before it matched.
class PathFilter {
 public:
  // Selects everything.
  PathFilter() = default;
  // kInvalidArgument for both at once, and for an invalid pattern.
  static Result<PathFilter> Parse(const std::vector<std::string>& include,
                                  const std::vector<std::string>& exclude);

  struct Verdict {
    bool is_selected = true;
    bool may_select_below = true;  // for directories
  };
  // `path` is relative to the snapshot's top, without a leading slash.
  Verdict Judge(std::string_view path) const;
  bool selects_all() const { return patterns_.empty(); }

 private:
  struct Pattern {
    std::vector<std::string> parts;
    bool is_absolute = false;
    bool is_negated = false;
  };
  static Result<Pattern> ParseOne(std::string_view option, const std::string& text);
  static Verdict Match(const Pattern& pattern, const std::vector<std::string_view>& path);

  std::vector<Pattern> patterns_;
  bool excludes_ = false;
};

// Whether `pattern` matches `part`, and whether it is a valid pattern for a part of a path.
bool MatchesPart(std::string_view pattern, std::string_view part);
bool IsPatternPart(std::string_view pattern);

}  // namespace holdfast::repository
