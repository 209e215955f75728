#include "common/repository/format/json_reader.h"

#include <algorithm>
#include <array>

#include "common/base/format.h"
#include "common/repository/format/go_text.h"

namespace holdfast::repository {
namespace {

constexpr std::array<bool, 256> PlainTable() {
  std::array<bool, 256> is_plain{};
  for (std::size_t byte = 0x20; byte < 0x7f; ++byte) is_plain[byte] = byte != '"' && byte != '\\';
  return is_plain;
}

// How many characters at the front of a string are ASCII and need no decoding.
std::size_t PlainBytes(std::string_view text) {
  static constexpr std::array<bool, 256> kIsPlain = PlainTable();
  std::size_t count = 0;
  while (count < text.size() && kIsPlain[static_cast<std::uint8_t>(text[count])]) ++count;
  return count;
}

}  // namespace

void JsonReader::SkipSpace() {
  while (at_ < text_.size()) {
    char c = text_[at_];
    if (c != ' ' && c != '\n' && c != '\r' && c != '\t') return;
    ++at_;
  }
}

bool JsonReader::Take(char c) {
  SkipSpace();
  if (at_ >= text_.size() || text_[at_] != c) return false;
  ++at_;
  return true;
}

bool JsonReader::Reject(std::string_view what) {
  if (mistake_.empty()) mistake_ = fmt::format("byte {}: {}", at_, what);
  at_ = text_.size();
  return false;
}

Result<void> JsonReader::status() const {
  if (mistake_.empty()) return {};
  return Fail(ErrorCode::kCorrupt, "bad JSON at " + mistake_);
}

std::size_t JsonReader::position() {
  SkipSpace();
  return at_;
}

bool JsonReader::Begin(char open, std::string_view what) {
  if (failed()) return false;
  if (!Take(open)) return Reject(fmt::format("expected {}", what));
  is_fresh_ = true;
  return true;
}

bool JsonReader::Next(char close) {
  if (failed()) return false;
  bool first = is_fresh_;
  is_fresh_ = false;
  if (Take(close)) return false;
  if (!first && !Take(',')) return Reject(fmt::format(R"(expected "," or "{}")", close));
  return true;
}

bool JsonReader::NextField(std::string_view& key) {
  if (!Next('}')) return false;
  if (!Text(key)) return false;
  if (!Take(':')) return Reject("expected \":\"");
  return true;
}

bool JsonReader::TakeHex4(char32_t& value) {
  value = 0;
  if (text_.size() - at_ < 4) return Reject("escape sequence cut off");
  for (int i = 0; i < 4; ++i) {
    char c = text_[at_++];
    char32_t digit = 0;
    if (c >= '0' && c <= '9') {
      digit = static_cast<char32_t>(c - '0');
    } else if (c >= 'a' && c <= 'f') {
      digit = static_cast<char32_t>(c - 'a' + 10);
    } else if (c >= 'A' && c <= 'F') {
      digit = static_cast<char32_t>(c - 'A' + 10);
    } else {
      return Reject("bad escape sequence");
    }
    value = value * 16 + digit;
  }
  return true;
}

bool JsonReader::TakeEscape(std::string& out) {
  if (at_ >= text_.size()) return Reject("unterminated string");
  char letter = text_[at_++];
  constexpr std::string_view kLetters = "\"\\/bfnrt";
  constexpr std::string_view kMeanings = "\"\\/\b\f\n\r\t";
  if (std::size_t i = kLetters.find(letter); i != std::string_view::npos) {
    out += kMeanings[i];
    return true;
  }
  if (letter != 'u') return Reject("bad escape sequence");
  char32_t value = 0;
  if (!TakeHex4(value)) return false;
  if (value >= 0xd800 && value <= 0xdfff) {
    char32_t low = 0;
    bool is_pair = value < 0xdc00 && text_.substr(at_).starts_with("\\u");
    if (is_pair) {
      std::size_t before = at_;
      at_ += 2;
      if (!TakeHex4(low)) return false;
      is_pair = low >= 0xdc00 && low <= 0xdfff;
      if (!is_pair) at_ = before;
    }
    value = is_pair ? 0x10000 + ((value - 0xd800) << 10) + (low - 0xdc00) : 0xfffd;
  }
  AppendUtf8(out, value);
  return true;
}

bool JsonReader::String(std::string& out) {
  std::string_view text;
  const bool is_good = Text(text);
  out = text;
  return is_good;
}

bool JsonReader::Text(std::string_view& out) {
  out = {};
  if (failed()) return false;
  if (!Take('"')) return Reject("expected a string");
  const std::string_view plain = text_.substr(at_, PlainBytes(text_.substr(at_)));
  at_ += plain.size();
  if (at_ < text_.size() && text_[at_] == '"') {
    ++at_;
    out = plain;
    return true;
  }
  decoded_ = plain;
  if (!TakeRest(decoded_)) return false;
  out = decoded_;
  return true;
}

// Reads the rest of a string.
bool JsonReader::TakeRest(std::string& out) {
  while (at_ < text_.size()) {
    const std::size_t plain = PlainBytes(text_.substr(at_));
    out += text_.substr(at_, plain);
    at_ += plain;
    if (at_ == text_.size()) break;
    auto byte = static_cast<std::uint8_t>(text_[at_]);
    if (byte == '"') {
      ++at_;
      return true;
    }
    if (byte < 0x20) return Reject("control character in a string");
    if (byte == '\\') {
      ++at_;
      if (!TakeEscape(out)) return false;
    } else {
      CodePoint point = DecodeUtf8(text_.substr(at_));
      AppendUtf8(out, point.value);
      at_ += point.length;
    }
  }
  return Reject("unterminated string");
}

bool JsonReader::Unsigned(std::uint64_t& out, std::uint64_t largest) {
  out = 0;
  if (failed()) return false;
  SkipSpace();
  std::size_t begin = at_;
  while (at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9') {
    auto digit = static_cast<std::uint64_t>(text_[at_] - '0');
    if (out > (largest - std::min(digit, largest)) / 10) return Reject("number too large");
    out = out * 10 + digit;
    ++at_;
  }
  bool is_padded = at_ - begin > 1 && text_[begin] == '0';
  bool tolerate_unreachable =
      at_ < text_.size() && (text_[at_] == '.' || text_[at_] == 'e' || text_[at_] == 'E');
  if (at_ == begin || is_padded || tolerate_unreachable || out > largest) {
    return Reject("expected a whole number");
  }
  return true;
}

bool JsonReader::TakeNull() {
  if (failed()) return false;
  SkipSpace();
  if (!text_.substr(at_).starts_with("null")) return false;
  at_ += 4;
  return true;
}

// Skips a string, number, true, false or null.
bool JsonReader::SkipScalar() {
  SkipSpace();
  if (at_ >= text_.size()) return Reject("expected a value");
  char c = text_[at_];
  if (c == '"') {
    for (++at_; at_ < text_.size() && text_[at_] != '"'; ++at_) {
      if (text_[at_] == '\\') ++at_;
    }
    if (at_ >= text_.size()) return Reject("unterminated string");
    ++at_;
    return true;
  }
  for (std::string_view word : {"true", "false", "null"}) {
    if (text_.substr(at_).starts_with(word)) {
      at_ += word.size();
      return true;
    }
  }
  std::size_t length =
      std::min(text_.find_first_not_of("+-.0123456789eE", at_), text_.size()) - at_;
  if (length == 0) return Reject("expected a value");
  at_ += length;
  return true;
}

bool JsonReader::Skip() {
  if (failed()) return false;
  // Open objects and lists, innermost last. Unknown fields are shallow; a deep one is an attack.
  constexpr std::size_t kDepthMax = 1000;
  std::string open;
  std::string_view key;
  for (;;) {
    SkipSpace();
    char c = at_ < text_.size() ? text_[at_] : '\0';
    if (c == '{' || c == '[') {
      if (open.size() == kDepthMax) return Reject("nested too deeply");
      open += c;
      ++at_;
      is_fresh_ = true;
    } else if (!SkipScalar()) {
      return false;
    }
    // The next value is in the innermost object or list that has another field or element.
    for (;;) {
      if (open.empty()) return true;
      if (open.back() == '{' ? NextField(key) : NextElement()) break;
      if (failed()) return false;
      open.pop_back();
    }
  }
}

bool JsonReader::End() {
  if (failed()) return false;
  SkipSpace();
  if (at_ != text_.size()) return Reject("more text after the end");
  return true;
}

bool ReadId(JsonReader& json, Id& id) {
  std::string_view text;
  if (!json.Text(text)) return false;
  Result<Id> parsed = ParseId(text);
  if (!parsed) return json.Reject(parsed.error().message());
  id = *parsed;
  return true;
}

}  // namespace holdfast::repository
