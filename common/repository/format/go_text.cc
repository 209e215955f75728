#include "common/repository/format/go_text.h"

#include <algorithm>
#include <iterator>

#include "common/base/format.h"

namespace holdfast::repository {
namespace {

constexpr char kHexDigits[] = "0123456789abcdef";

void AppendHex(std::string& out, char32_t value, int digits) {
  for (int shift = (digits - 1) * 4; shift >= 0; shift -= 4) {
    out += kHexDigits[(value >> shift) & 15];
  }
}

// The letter of the short escape that Go and C share; 0 if there is no short escape.
char ShortEscape(char32_t value) {
  switch (value) {
    case '\a':
      return 'a';
    case '\b':
      return 'b';
    case '\f':
      return 'f';
    case '\n':
      return 'n';
    case '\r':
      return 'r';
    case '\t':
      return 't';
    case '\v':
      return 'v';
    default:
      return 0;
  }
}

// The character for a short escape's letter; -1 if it is not one.
int ShortUnescape(char letter) {
  switch (letter) {
    case 'a':
      return '\a';
    case 'b':
      return '\b';
    case 'f':
      return '\f';
    case 'n':
      return '\n';
    case 'r':
      return '\r';
    case 't':
      return '\t';
    case 'v':
      return '\v';
    case '\\':
    case '"':
      return letter;
    default:
      return -1;
  }
}

int DigitValue(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return 16;
}

// Reads exactly `count` digits of `base` at `text`'s front and removes them.
bool TakeNumber(std::string_view& text, std::size_t count, char32_t base, char32_t& value) {
  if (text.size() < count) return false;
  value = 0;
  for (std::size_t i = 0; i < count; ++i) {
    auto digit = static_cast<char32_t>(DigitValue(text[i]));
    if (digit >= base) return false;
    value = value * base + digit;
  }
  text.remove_prefix(count);
  return true;
}

// Reads one escape sequence, without its backslash, at `text`'s front and removes it.
bool TakeEscape(std::string_view& text, std::string& out) {
  if (text.empty()) return false;
  char letter = text.front();
  if (int c = ShortUnescape(letter); c >= 0) {
    out += static_cast<char>(c);
    text.remove_prefix(1);
    return true;
  }
  char32_t value = 0;
  if (letter >= '0' && letter <= '7') {
    if (!TakeNumber(text, 3, 8, value) || value > 0xff) return false;
    out += static_cast<char>(value);
    return true;
  }
  text.remove_prefix(1);
  if (letter == 'x') {
    if (!TakeNumber(text, 2, 16, value)) return false;
    out += static_cast<char>(value);
    return true;
  }
  std::size_t digits = letter == 'u' ? 4 : (letter == 'U' ? 8 : 0);
  if (digits == 0 || !TakeNumber(text, digits, 16, value) || !IsUnicodeScalar(value)) return false;
  AppendUtf8(out, value);
  return true;
}

}  // namespace

bool IsPrintable(char32_t value) {
  const CodePointRange* end = kPrintable + kPrintableCount;
  const CodePointRange* found =
      std::lower_bound(kPrintable, end, value,
                       [](const CodePointRange& range, char32_t v) { return range.last < v; });
  return found != end && found->first <= value;
}

void AppendGoQuoted(std::string& out, std::string_view name) {
  while (!name.empty()) {
    CodePoint point = DecodeUtf8(name);
    char32_t value = point.value;
    if (!point.valid) {
      out += "\\x";
      AppendHex(out, static_cast<std::uint8_t>(name.front()), 2);
    } else if (value == '"' || value == '\\') {
      out += '\\';
      out += static_cast<char>(value);
    } else if ((value >= 0x20 && value < 0x7f) || (value >= 0x80 && IsPrintable(value))) {
      out += name.substr(0, point.length);
    } else if (char letter = ShortEscape(value); letter != 0) {
      out += '\\';
      out += letter;
    } else if (value < 0x80) {
      out += "\\x";
      AppendHex(out, value, 2);
    } else if (value < 0x10000) {
      out += "\\u";
      AppendHex(out, value, 4);
    } else {
      out += "\\U";
      AppendHex(out, value, 8);
    }
    name.remove_prefix(point.length);
  }
}

Result<std::string> GoUnquote(std::string_view text) {
  std::string name;
  name.reserve(text.size());
  std::string_view rest = text;
  while (!rest.empty()) {
    char c = rest.front();
    rest.remove_prefix(1);
    bool good = c != '"' && c != '\n';
    if (c == '\\') {
      good = TakeEscape(rest, name);
    } else {
      name += c;
    }
    if (!good)
      return Fail(ErrorCode::kCorrupt,
                  "name " + Quote(text.substr(0, 200)) + " is not quoted like Go strings");
  }
  return name;
}

namespace {

// How many characters at the front are ASCII and need no escape.
std::size_t PlainInJson(std::string_view text) {
  std::size_t count = 0;
  for (const char c : text) {
    const auto byte = static_cast<std::uint8_t>(c);
    const bool is_escaped = c == '"' || c == '\\' || c == '<' || c == '>' || c == '&';
    if (byte < 0x20 || byte >= 0x7f || is_escaped) break;
    ++count;
  }
  return count;
}

}  // namespace

void AppendGoJson(std::string& out, std::string_view text) {
  out += '"';
  while (!text.empty()) {
    const std::size_t plain = PlainInJson(text);
    out += text.substr(0, plain);
    text.remove_prefix(plain);
    if (text.empty()) break;
    CodePoint point = DecodeUtf8(text);
    char32_t value = point.value;
    if (!point.valid) {
      out += "\\ufffd";
    } else if (value == '"' || value == '\\') {
      out += '\\';
      out += static_cast<char>(value);
    } else if (value == '\b' || value == '\f' || value == '\n' || value == '\r' || value == '\t') {
      out += '\\';
      out += ShortEscape(value);
    } else if (value < 0x20 || value == '<' || value == '>' || value == '&' || value == 0x2028 ||
               value == 0x2029) {
      out += "\\u";
      AppendHex(out, value, 4);
    } else {
      out += text.substr(0, point.length);
    }
    text.remove_prefix(point.length);
  }
  out += '"';
}

}  // namespace holdfast::repository
