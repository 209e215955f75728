#include "common/filetree/exclude.h"

#include <fnmatch.h>

#include <algorithm>
#include <string_view>

namespace holdfast::filetree {

ExcludeList::ExcludeList(const std::vector<std::string>& patterns) {
  for (std::string pattern : patterns) {
    while (pattern.size() > 1 && pattern.ends_with('/')) pattern.pop_back();  // "cache/" is "cache"
    bool has_slash = pattern.find('/') != std::string::npos;
    (has_slash ? path_patterns_ : name_patterns_).push_back(std::move(pattern));
  }
}

bool ExcludeList::MatchesName(const std::string& name) const {
  return std::ranges::any_of(name_patterns_, [&name](const std::string& pattern) {
    return fnmatch(pattern.c_str(), name.c_str(), 0) == 0;
  });
}

bool ExcludeList::MatchesPath(const std::string& path) const {
  return std::ranges::any_of(path_patterns_, [&path](const std::string& pattern) {
    return fnmatch(pattern.c_str(), path.c_str(), FNM_PATHNAME) == 0;
  });
}

std::string LiteralPattern(const std::string& path) {
  std::string pattern;
  for (const char c : path) {
    if (std::string_view("*?[]\\").find(c) != std::string_view::npos) pattern += '\\';
    pattern += c;
  }
  return pattern;
}

}  // namespace holdfast::filetree
