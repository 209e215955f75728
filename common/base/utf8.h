// Decodes and encodes UTF-8.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace holdfast {

// The first character of a UTF-8 text.
struct CodePoint {
  char32_t value = 0xfffd;
  std::size_t length = 1;  // in bytes; 1 if the text is invalid
  bool valid = false;
};
// REQUIRES: `text` is not empty. Overlong forms, surrogates and values above U+10FFFF are invalid.
CodePoint DecodeUtf8(std::string_view text);
// Appends `value`, at most U+10FFFF. A surrogate becomes three bytes, which are not valid UTF-8.
void AppendUtf8(std::string& out, char32_t value);
bool IsUtf8(std::string_view text);
// The longest prefix of `text` that has at most `bytes_max` bytes, with U+FFFD for each invalid
// byte. Does not cut a character.
std::string ShortenUtf8(std::string_view text, std::size_t bytes_max);
// False for surrogates and values above U+10FFFF.
bool IsUnicodeScalar(char32_t value);

// A range of code points, including both ends.
struct CodePointRange {
  char32_t first;
  char32_t last;
};

}  // namespace holdfast
