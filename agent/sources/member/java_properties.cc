#include "agent/sources/member/java_properties.h"

#include <algorithm>
#include <charconv>
#include <cstdint>

#include "common/base/text.h"
#include "common/base/utf8.h"

namespace holdfast {
namespace {

bool IsBlank(char c) { return c == ' ' || c == '\t' || c == '\f'; }

std::string_view WithoutIndent(std::string_view line) {
  while (!line.empty() && IsBlank(line.front())) line.remove_prefix(1);
  return line;
}

bool EndsInOddBackslashes(std::string_view line) {
  const std::size_t last = line.find_last_not_of('\\');
  return (line.size() - (last == std::string_view::npos ? 0 : last + 1)) % 2 == 1;
}

// The next logical line, without comments, with continuation lines joined; empty at the end.
std::string TakeLogicalLine(std::string_view& text) {
  while (!text.empty()) {
    std::string line(WithoutIndent(TakeLine(text)));
    if (line.empty() || line.front() == '#' || line.front() == '!') continue;
    while (EndsInOddBackslashes(line)) {
      line.pop_back();
      line += WithoutIndent(TakeLine(text));
    }
    if (!line.empty()) return line;
  }
  return "";
}

Result<std::string> Unescape(std::string_view text) {
  std::string plain;
  while (!text.empty()) {
    const char c = text.front();
    text.remove_prefix(1);
    if (c != '\\' || text.empty()) {
      plain += c;
      continue;
    }
    const char escaped = text.front();
    text.remove_prefix(1);
    constexpr std::string_view kLetters = "tnrf";
    if (const std::size_t at = kLetters.find(escaped); at != std::string_view::npos) {
      plain += "\t\n\r\f"[at];
    } else if (escaped != 'u') {
      plain += escaped;
    } else {
      std::uint32_t code = 0;
      const std::string_view digits = text.substr(0, 4);
      const auto [end, error] =
          std::from_chars(digits.data(), digits.data() + digits.size(), code, 16);
      if (error != std::errc() || end != digits.data() + 4)
        return Fail(ErrorCode::kCorrupt, "a property has an escape \\u without four digits");
      AppendUtf8(plain, code);
      text.remove_prefix(4);
    }
  }
  return plain;
}

// The end of the name: the first unescaped blank, '=' or ':'.
std::size_t NameEnd(std::string_view line) {
  for (std::size_t i = 0; i < line.size(); ++i) {
    if (line[i] == '\\')
      ++i;
    else if (IsBlank(line[i]) || line[i] == '=' || line[i] == ':')
      return i;
  }
  return line.size();
}

}  // namespace

Result<JavaProperties> ParseProperties(std::string_view text) {
  JavaProperties properties;
  for (;;) {
    const std::string line = TakeLogicalLine(text);
    if (line.empty()) return properties;
    const std::size_t name_end = NameEnd(line);
    std::string_view value = WithoutIndent(std::string_view(line).substr(name_end));
    if (value.starts_with('=') || value.starts_with(':')) value = WithoutIndent(value.substr(1));
    HF_ASSIGN(std::string name, Unescape(std::string_view(line).substr(0, name_end)));
    HF_ASSIGN(properties[std::move(name)], Unescape(value));
  }
}

std::string PropertyOf(const JavaProperties& properties, const std::string& name) {
  const auto found = properties.find(name);
  return found == properties.end() ? std::string() : found->second;
}

}  // namespace holdfast
