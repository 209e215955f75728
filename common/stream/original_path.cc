#include "common/stream/original_path.h"

namespace holdfast {

std::string RootOfNode(std::string_view root, std::string_view node) {
  std::string directory(root);
  const std::size_t star = directory.find(kAnyNode);
  return star == std::string::npos ? directory : directory.replace(star, kAnyNode.size(), node);
}

std::string PatternInSnapshot(std::string_view root, std::string_view typed) {
  const std::string_view first = typed.substr(0, typed.find('/', 1));
  const bool is_of_node =
      typed.starts_with('/') && typed.size() > 1 && first != "/data" && first != "/members";
  if (!is_of_node || root.empty()) return std::string(typed);
  return "/" + std::string(root) + std::string(typed);
}

}  // namespace holdfast
