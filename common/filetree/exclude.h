// Shell patterns of what a walk excludes.
#pragma once

#include <string>
#include <vector>

namespace holdfast::filetree {

// Patterns of fnmatch(3). Patterns without `/` match the last component. Patterns with `/` match
// the whole absolute path; in them `*` and `?` do not match `/`.
class ExcludeList {
 public:
  ExcludeList() = default;
  explicit ExcludeList(const std::vector<std::string>& patterns);
  bool MatchesName(const std::string& name) const;
  bool MatchesPath(const std::string& path) const;
  bool has_path_patterns() const { return !path_patterns_.empty(); }
  bool empty() const { return name_patterns_.empty() && path_patterns_.empty(); }

 private:
  std::vector<std::string> name_patterns_;
  std::vector<std::string> path_patterns_;
};

// The pattern that matches only this absolute path.
std::string LiteralPattern(const std::string& path);

}  // namespace holdfast::filetree
