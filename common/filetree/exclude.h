// Shell patterns of what a walk leaves out.
#pragma once

#include <string>
#include <vector>

namespace holdfast::filetree {

// Patterns as of fnmatch(3): without `/` they are matched against the last component, with `/`
// against the whole absolute path, where `*` and `?` do not match `/`. A plain value.
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

// The pattern that matches this absolute path and no other.
std::string LiteralPattern(const std::string& path);

}  // namespace holdfast::filetree
