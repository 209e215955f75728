#include "common/stream/original_path.h"

namespace holdfast {

std::string_view OriginalRoot(std::string_view kind) {
  return kind == "files" ? "data" : "members/*/files";
}

std::string PatternInSnapshot(std::string_view kind, std::string_view typed) {
  const std::string_view first = typed.substr(0, typed.find('/', 1));
  const bool is_of_node =
      typed.starts_with('/') && typed.size() > 1 && first != "/data" && first != "/members";
  if (!is_of_node || kind.empty()) return std::string(typed);
  return "/" + std::string(OriginalRoot(kind)) + std::string(typed);
}

}  // namespace holdfast
