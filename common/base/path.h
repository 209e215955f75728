// Parts of paths. They look only at the text, not at the file system.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace holdfast {

// Removes trailing slashes, but leaves "/".
inline std::string WithoutSlashes(std::string path) {
  while (path.size() > 1 && path.ends_with('/')) path.pop_back();
  return path;
}

// The text after the last slash: "c" for "/a/b/c" and for "c".
inline std::string_view BaseName(std::string_view path) {
  return path.substr(path.rfind('/') + 1);  // npos + 1 is 0
}

// The text before the last slash: "a/b" for "a/b/c", empty for "c" and "/c". For paths below some
// top, which is "".
inline std::string_view PathAbove(std::string_view path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? std::string_view() : path.substr(0, slash);
}

// The directory of a file: "/a" for "/a/b", "/" for "/a", "." for "a".
inline std::string ParentPath(std::string_view path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string_view::npos) return ".";
  return slash == 0 ? "/" : std::string(path.substr(0, slash));
}

// The components of a path in order, without empty ones and ".": "a", "..", "b" for "/a/.././b/".
inline std::vector<std::string> PathComponents(std::string_view path) {
  std::vector<std::string> components;
  for (std::size_t at = 0; at < path.size();) {
    const std::size_t end = std::min(path.find('/', at), path.size());
    const std::string_view component = path.substr(at, end - at);
    if (!component.empty() && component != ".") components.emplace_back(component);
    at = end + 1;
  }
  return components;
}

}  // namespace holdfast
