#include "common/storage/xml.h"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <utility>

#include "common/base/format.h"
#include "common/base/utf8.h"

namespace holdfast::s3 {
namespace {

constexpr std::string_view kSpaces = " \t\r\n";

bool IsNameByte(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         c == '-' || c == '.' || c == ':';
}

bool IsNameStart(char c) { return IsNameByte(c) && c != '-' && c != '.' && (c < '0' || c > '9'); }

// Characters that XML 1.0 allows.
bool IsCharacter(std::uint32_t point) {
  return point == 0x9 || point == 0xa || point == 0xd || (point >= 0x20 && point <= 0xd7ff) ||
         (point >= 0xe000 && point <= 0xfffd) || (point >= 0x10000 && point <= 0x10ffff);
}

class XmlReader {
 public:
  explicit XmlReader(std::string_view text) : text_(text) {}

  Result<XmlElement> Read() {
    (void)Take("\xef\xbb\xbf");
    if (Take("<?xml")) {
      const std::size_t end = text_.find("?>", at_);
      if (end == text_.npos || end - at_ > 200) return Bad("an unterminated XML declaration");
      at_ = end + 2;
    }
    HF_TRY(SkipMisc());
    if (!Take("<")) return Bad("no element");
    XmlElement root;
    HF_TRY(ReadElement(root, 1));
    HF_TRY(SkipMisc());
    if (at_ != text_.size()) return Bad("text after the end of the document");
    return root;
  }

 private:
  std::unexpected<Error> Bad(std::string_view what) const {
    return Fail(ErrorCode::kCorrupt, fmt::format("XML at byte {}: {}", at_, what));
  }

  bool Take(std::string_view expected) {
    if (!text_.substr(at_).starts_with(expected)) return false;
    at_ += expected.size();
    return true;
  }

  void SkipSpaces() { at_ = std::min(text_.find_first_not_of(kSpaces, at_), text_.size()); }

  // Skips spaces and comments.
  Result<void> SkipMisc() {
    for (;;) {
      SkipSpaces();
      if (!Take("<!--")) return {};
      HF_TRY(SkipComment());
    }
  }

  // After "<!--".
  Result<void> SkipComment() {
    const std::size_t end = text_.find("--", at_);
    if (end == text_.npos || text_.substr(end, 3) != "-->") return Bad("an unterminated comment");
    at_ = end + 3;
    return {};
  }

  Result<std::string_view> ReadName() {
    const std::size_t begin = at_;
    if (at_ == text_.size() || !IsNameStart(text_[at_])) return Bad("a missing name");
    while (at_ < text_.size() && IsNameByte(text_[at_])) ++at_;
    if (at_ - begin > 256) return Bad("a name that is too long");
    return text_.substr(begin, at_ - begin);
  }

  // After "<": reads the name, attributes, content and end tag. The depth is limited, so recursion
  // is safe.
  Result<void> ReadElement(XmlElement& element, std::size_t depth) {
    if (depth > kXmlDepthMax) return Bad("elements nested too deeply");
    if (++elements_ > kXmlElementsMax) return Bad("too many elements");
    HF_ASSIGN(const std::string_view full_name, ReadName());
    const std::size_t colon = full_name.rfind(':');
    element.name = full_name.substr(colon == full_name.npos ? 0 : colon + 1);
    if (element.name.empty()) return Bad("a missing name");
    HF_ASSIGN(const bool is_empty, ReadAttributes());
    if (is_empty) return {};
    for (;;) {
      if (at_ == text_.size()) return Bad("an unterminated element");
      if (text_[at_] != '<') {
        HF_TRY(ReadCharacter(element.text));
      } else if (Take("</")) {
        HF_ASSIGN(const std::string_view end_name, ReadName());
        if (end_name != full_name) return Bad("an element closed by the end tag of another");
        SkipSpaces();
        if (!Take(">")) return Bad("an end tag without \">\"");
        return {};
      } else if (Take("<![CDATA[")) {
        HF_TRY(ReadPlain(element.text));
      } else if (Take("<!--")) {
        HF_TRY(SkipComment());
      } else {
        ++at_;
        HF_TRY(ReadElement(element.children.emplace_back(), depth + 1));
      }
    }
  }

  // After an element's name: reads up to ">" (false) or "/>" (true).
  Result<bool> ReadAttributes() {
    for (;;) {
      const std::size_t before = at_;
      SkipSpaces();
      if (Take("/>")) return true;
      if (Take(">")) return false;
      if (at_ == before) return Bad("a name with invalid characters");
      HF_TRY(ReadName());
      SkipSpaces();
      if (!Take("=")) return Bad("an attribute without \"=\"");
      SkipSpaces();
      const char quote = at_ < text_.size() ? text_[at_] : '\0';
      if (quote != '"' && quote != '\'') return Bad("an attribute without quotes");
      const std::size_t end = text_.find(quote, at_ + 1);
      if (end == text_.npos) return Bad("an unterminated attribute");
      if (text_.substr(at_, end - at_).find('<') != std::string_view::npos) {
        return Bad("\"<\" in an attribute");
      }
      at_ = end + 1;
    }
  }

  // After "<![CDATA[".
  Result<void> ReadPlain(std::string& text) {
    const std::size_t end = text_.find("]]>", at_);
    if (end == text_.npos) return Bad("an unterminated CDATA section");
    for (; at_ < end; ++at_) {
      if (!IsPlainByte(text_[at_])) return Bad("a control character");
      text += text_[at_];
    }
    at_ = end + 3;
    return {};
  }

  // Reads one byte of text, or one entity.
  Result<void> ReadCharacter(std::string& text) {
    if (text_[at_] == '&') return ReadEntity(text);
    if (!IsPlainByte(text_[at_])) return Bad("a control character");
    text += text_[at_++];
    return {};
  }

  static bool IsPlainByte(char c) {
    return static_cast<unsigned char>(c) >= 0x20 || c == '\t' || c == '\n' || c == '\r';
  }

  Result<void> ReadEntity(std::string& text) {
    constexpr std::pair<std::string_view, char> kEntities[] = {
        {"&lt;", '<'}, {"&gt;", '>'}, {"&amp;", '&'}, {"&quot;", '"'}, {"&apos;", '\''}};
    for (const auto& [entity, character] : kEntities) {
      if (!Take(entity)) continue;
      text += character;
      return {};
    }
    const bool is_hex = text_.substr(at_).starts_with("&#x");
    if (!is_hex && !text_.substr(at_).starts_with("&#")) return Bad("an unknown entity");
    const char* begin = text_.data() + at_ + (is_hex ? 3 : 2);
    std::uint32_t point = 0;
    const auto [end, error] =
        std::from_chars(begin, text_.data() + text_.size(), point, is_hex ? 16 : 10);
    if (error != std::errc() || end == text_.data() + text_.size() || *end != ';' ||
        !IsCharacter(point)) {
      return Bad("an invalid character");
    }
    AppendUtf8(text, point);
    at_ = static_cast<std::size_t>(end - text_.data()) + 1;
    return {};
  }

  const std::string_view text_;
  std::size_t at_ = 0;
  std::size_t elements_ = 0;
};

}  // namespace

const XmlElement* XmlElement::Find(std::string_view child) const {
  const auto found = std::ranges::find(children, child, &XmlElement::name);
  return found == children.end() ? nullptr : &*found;
}

std::string_view XmlElement::TextOf(std::string_view child) const {
  const XmlElement* found = Find(child);
  return found == nullptr ? std::string_view() : found->text;
}

Result<XmlElement> ParseXml(std::string_view text) { return XmlReader(text).Read(); }

}  // namespace holdfast::s3
