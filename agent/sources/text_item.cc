#include "agent/sources/text_item.h"

#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <utility>

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
  std::size_t BytesAhead() const override { return text_.size() + 1; }

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

}  // namespace holdfast
