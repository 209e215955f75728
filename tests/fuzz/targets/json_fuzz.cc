// Compares the JSON reader with another one: what that accepts, ours must be able to skip.
#include <nlohmann/json.hpp>

#include "common/repository/format/json_reader.h"
#include "tests/fuzz/target.h"

namespace holdfast::fuzz {
namespace {

std::size_t DeepestOf(std::string_view text) {
  std::size_t depth = 0;
  std::size_t deepest = 0;
  for (char c : text) {
    if (c == '[' || c == '{') deepest = std::max(deepest, ++depth);
    if ((c == ']' || c == '}') && depth > 0) --depth;
  }
  return deepest;
}

}  // namespace
}  // namespace holdfast::fuzz

FUZZ_TARGET(json) {
  using namespace holdfast;
  const std::string_view text = AsText(input);
  repository::JsonReader reader(text);
  const bool is_taken = reader.Skip() && reader.End();
  FUZZ_REQUIRE(is_taken == reader.status().has_value());
  FUZZ_REQUIRE(is_taken || reader.status().error().code() == ErrorCode::kCorrupt);
  // The other one ignores a byte order mark and stops at a zero byte. Brackets in strings only make
  // the text look deeper.
  if (fuzz::DeepestOf(text) < 1000 && text.find('\0') == text.npos &&
      !text.starts_with("\xef\xbb\xbf") && nlohmann::json::accept(text)) {
    FUZZ_REQUIRE(is_taken);
  }
  return is_taken;
}
