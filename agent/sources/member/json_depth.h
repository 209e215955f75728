// Checks the nesting depth of untrusted JSON before it is decoded, because decoders recurse.
#pragma once

#include <cstddef>
#include <string_view>

namespace holdfast {

inline constexpr std::size_t kJsonDepthMax = 64;

inline bool IsTooDeep(std::string_view json) {
  std::size_t depth = 0;
  bool is_text = false;
  for (std::size_t i = 0; i < json.size(); ++i) {
    const char c = json[i];
    if (is_text) {
      if (c == '\\') ++i;
      if (c == '"') is_text = false;
    } else if (c == '"') {
      is_text = true;
    } else if (c == '[' || c == '{') {
      if (++depth > kJsonDepthMax) return true;
    } else if ((c == ']' || c == '}') && depth > 0) {
      --depth;
    }
  }
  return false;
}

}  // namespace holdfast
