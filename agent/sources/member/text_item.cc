#include "agent/sources/member/text_item.h"

#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <utility>

#include "common/base/bytes.h"
#include "common/base/format.h"

namespace holdfast {
namespace {

class TextReader final : public ByteReader {
 public:
  explicit TextReader(std::string text) : text_(std::move(text)) {}
  Result<std::size_t> Read(std::span<std::uint8_t> buffer) override {
    const std::size_t count = std::min(buffer.size(), text_.size() - at_);
    if (count > 0) std::memcpy(buffer.data(), text_.data() + at_, count);
    at_ += count;
    return count;
  }
  std::size_t ReadAheadBytes() const override { return text_.size() + 1; }

 private:
  const std::string text_;
  std::size_t at_ = 0;
};

}  // namespace

Attributes DocumentAttributes(WallTime time) {
  Attributes attributes;
  attributes.mode = 0600;
  attributes.mtime = attributes.atime = attributes.ctime = ToUnixTime(time);
  attributes.uid = ::geteuid();
  attributes.gid = ::getegid();
  return attributes;
}

Item TextItem(std::string path, std::string text, const Attributes& attributes) {
  Item item;
  item.path = std::move(path);
  item.attributes = attributes;
  item.attributes.size = text.size();
  item.content = std::make_unique<TextReader>(std::move(text));
  return item;
}

Result<std::string> ReadText(ByteReader& reader, std::string_view path, std::size_t bytes_max) {
  std::string text;
  Bytes buffer(std::size_t{64} << 10);
  for (;;) {
    Result<std::size_t> count = reader.Read(buffer);
    if (!count) return Fail(std::move(count).error().While(Quote(path)));
    if (*count == 0) return text;
    text += AsText(ByteView(buffer).first(*count));
    if (text.size() > bytes_max)
      return Fail(ErrorCode::kCorrupt,
                  fmt::format("{} is larger than {}", Quote(path), FormatBytes(bytes_max)));
  }
}

Result<std::string> ReadText(SnapshotView& snapshot, const std::string& path,
                             std::size_t bytes_max) {
  HF_ASSIGN(const std::unique_ptr<ByteReader> reader, snapshot.Open(path));
  return ReadText(*reader, path, bytes_max);
}

}  // namespace holdfast
