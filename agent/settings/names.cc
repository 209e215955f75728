#include "agent/settings/names.h"

#include "common/base/format.h"

namespace holdfast {
namespace {

bool IsNameCharacter(char c, bool is_first, bool upper_allowed) {
  if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9')) return true;
  if (upper_allowed && c >= 'A' && c <= 'Z') return true;
  return !is_first && (c == '.' || c == '_' || c == '-');
}

}  // namespace

bool IsName(std::string_view text, bool upper_allowed) {
  if (text.empty() || text.size() > kNameBytesMax) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (!IsNameCharacter(text[i], i == 0, upper_allowed)) return false;
  }
  return true;
}

std::unexpected<Error> BadName(const config::Location& location, std::string_view what,
                               std::string_view name) {
  return Fail(ErrorCode::kInvalidArgument,
              fmt::format("{}: {} called {}; expected lower-case letters, digits, \".\", \"_\" "
                          "and \"-\", at most {} of them, the first a letter or digit",
                          location.Text(), what, Quote(name), kNameBytesMax));
}

}  // namespace holdfast
