// Patterns that select paths of a snapshot, with the meaning that they have for restic.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"

namespace holdfast::repository {

// Either patterns of what is wanted or of what is not. A pattern is cut at `/` and matches a path
// when its parts match parts of it that follow each other: from the first one on where the pattern
// begins with `/`, anywhere else; and with a path it matches all below. In a part, `*` stands for
// any characters, `?` for one, `[a-c]` and `[^a-c]` for one of these or none, `\` takes the meaning
// of what follows away; the part `**` stands for any number of parts. A pattern that begins with
// `!` excludes what the patterns before it matched. A plain value.
class PathFilter {
 public:
  // One that selects everything.
  PathFilter() = default;
  // kInvalidArgument for both at once, and for what is no pattern.
  static Result<PathFilter> Parse(const std::vector<std::string>& include,
                                  const std::vector<std::string>& exclude);

  struct Verdict {
    bool is_selected = true;
    bool may_select_below = true;  // of a directory
  };
  // `path` from the snapshot's top, without a slash in front.
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

// Whether `pattern` is one for a part of a path, and whether it matches one.
bool MatchesPart(std::string_view pattern, std::string_view part);
bool IsPatternPart(std::string_view pattern);

}  // namespace holdfast::repository
