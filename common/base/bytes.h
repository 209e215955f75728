// Byte buffers and their text encodings: hexadecimal, percent-encoding and base64.
#pragma once

#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"

namespace holdfast {

using Bytes = std::vector<std::uint8_t>;
using ByteView = std::span<const std::uint8_t>;

inline ByteView AsBytes(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}
inline std::string_view AsText(ByteView bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}
inline Bytes ToBytes(std::string_view text) {
  ByteView view = AsBytes(text);
  return Bytes(view.begin(), view.end());
}

// Whether each byte is 0; true for no bytes. memcmp() is faster than a loop.
inline bool IsAllZero(ByteView bytes) {
  return bytes.empty() ||
         (bytes[0] == 0 && std::memcmp(bytes.data(), bytes.data() + 1, bytes.size() - 1) == 0);
}

// 0..15; -1 if `c` is no hexadecimal digit.
int HexDigit(char c);
// Lower-case hexadecimal.
std::string HexEncode(ByteView bytes);
// kInvalidArgument when `text` is not an even number of hexadecimal digits.
Result<Bytes> HexDecode(std::string_view text);

// Decodes escapes such as "%41" to "A". Anything else is left unchanged.
std::string PercentDecode(std::string_view text);

// Standard alphabet, padded (RFC 4648 section 4).
std::string Base64Encode(ByteView bytes);
// kInvalidArgument unless `text` is exactly what Base64Encode would write.
Result<Bytes> Base64Decode(std::string_view text);

}  // namespace holdfast
