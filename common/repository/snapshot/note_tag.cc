#include "common/repository/snapshot/note_tag.h"

#include <iterator>

#include "common/base/bytes.h"
#include "common/base/format.h"
#include "common/base/note.h"
#include "common/base/result.h"
#include "common/base/utf8.h"
#include "common/repository/format/go_text.h"

namespace holdfast::repository {
namespace {

constexpr std::string_view kNotePrefix = "note:";

// restic splits tags at commas on its command line, and prints them unescaped.
bool IsPlain(const CodePoint& point) {
  return point.valid && point.value != U'%' && point.value != U',' && IsPrintable(point.value);
}

}  // namespace

std::string EncodeNoteTag(std::string_view note) {
  HF_CHECK(!note.empty());
  std::string tag(kNotePrefix);
  for (std::size_t at = 0; at < note.size();) {
    const CodePoint point = DecodeUtf8(note.substr(at));
    if (at + point.length > kNoteBytesMax) break;
    const std::string_view bytes = note.substr(at, point.length);
    if (IsPlain(point)) {
      tag += bytes;
    } else {
      for (char byte : bytes) {
        fmt::format_to(std::back_inserter(tag), "%{:02X}", static_cast<unsigned char>(byte));
      }
    }
    at += point.length;
  }
  return tag;
}

std::optional<std::string> DecodeNoteTag(std::string_view tag) {
  if (!tag.starts_with(kNotePrefix)) return std::nullopt;
  return PercentDecode(tag.substr(kNotePrefix.size())).substr(0, kNoteBytesMax);
}

}  // namespace holdfast::repository
