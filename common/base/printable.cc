#include "common/base/printable.h"

#include <algorithm>
#include <cstdint>

#include "common/base/character_widths.h"
#include "common/base/format.h"
#include "common/base/utf8.h"

namespace holdfast {
namespace {

std::string Escaped(const CodePoint& point, char first_byte) {
  if (!point.valid) return fmt::format("\\x{:02x}", static_cast<std::uint8_t>(first_byte));
  const auto value = static_cast<std::uint32_t>(point.value);
  if (value < 0x80) return fmt::format("\\x{:02x}", value);
  return value < 0x10000 ? fmt::format("\\u{:04x}", value) : fmt::format("\\U{:08x}", value);
}

// RFC 8259, section 7: a UTF-16 surrogate pair for a character above U+FFFF.
std::string JsonEscaped(char32_t character) {
  const auto value = static_cast<std::uint32_t>(character);
  if (value < 0x10000) return fmt::format("\\u{:04x}", value);
  return fmt::format("\\u{:04x}\\u{:04x}", 0xd800 + ((value - 0x10000) >> 10),
                     0xdc00 + ((value - 0x10000) & 0x3ff));
}

}  // namespace

std::string Printable(std::string_view text) {
  std::string printable;
  printable.reserve(text.size());
  while (!text.empty()) {
    const CodePoint point = DecodeUtf8(text);
    if (point.valid && !IsUnsafe(point.value)) {
      printable += text.substr(0, point.length);
    } else {
      printable += Escaped(point, text.front());
    }
    text.remove_prefix(point.length);
  }
  return printable;
}

std::string PrintableJson(std::string_view json) {
  // Most documents, and most lines of a long list, are ASCII.
  if (std::ranges::all_of(json, [](char c) { return c >= 0 && c < 0x7f; }))
    return std::string(json);
  std::string printable;
  printable.reserve(json.size());
  while (!json.empty()) {
    const CodePoint point = DecodeUtf8(json);
    // JSON has already escaped control characters below U+0020; line breaks between values remain.
    if (point.value >= 0x7f && IsUnsafe(point.value)) {
      printable += JsonEscaped(point.value);
    } else {
      printable += json.substr(0, point.length);
    }
    json.remove_prefix(point.length);
  }
  return printable;
}

}  // namespace holdfast
