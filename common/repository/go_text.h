// Text as restic writes it, which is as Go writes it: names as strconv.Quote does, other strings as
// encoding/json does. Rules: docs/repository-format.md#trees.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "common/base/result.h"

namespace holdfast::repository {

// One character at the front of UTF-8 text.
struct CodePoint {
  char32_t value = 0xfffd;
  std::size_t length = 1;  // bytes; 1 where the text is invalid
  bool valid = false;
};
// REQUIRES: `text` is not empty. Overlong forms, surrogates and values above U+10FFFF are invalid.
CodePoint DecodeUtf8(std::string_view text);
// Appends `value`, which must be a Unicode scalar value.
void AppendUtf8(std::string& out, char32_t value);
bool IsUtf8(std::string_view text);

// Both ends belong to the range. The table is written by scripts/generate-printable.
struct CodePointRange {
  char32_t first;
  char32_t last;
};
extern const CodePointRange kPrintable[];
extern const std::size_t kPrintableCount;
// Go's unicode.IsPrint: letters, marks, numbers, punctuation, symbols and the ASCII space.
bool IsPrintable(char32_t value);

// Appends strconv.Quote(name) without the quotes around it.
void AppendGoQuoted(std::string& out, std::string_view name);
// strconv.Unquote of `text` in double quotes. kCorrupt for what is no Go string.
Result<std::string> GoUnquote(std::string_view text);

// Appends `text` as encoding/json writes a string, quotes and HTML escapes included; bytes that are
// no UTF-8 become U+FFFD, spelled `\ufffd`.
void AppendGoJson(std::string& out, std::string_view text);

}  // namespace holdfast::repository
