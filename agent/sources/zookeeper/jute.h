// ZooKeeper's encoding of records ("jute"), in files and on the wire. Numbers are big-endian. A
// buffer or text is preceded by its length (four bytes, -1 for null), a vector by its number of
// elements. zookeeper.jute in ZooKeeper's sources defines the records.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "common/base/bytes.h"

namespace holdfast::zookeeper {

inline std::uint64_t LoadNumber(ByteView bytes) {
  std::uint64_t number = 0;
  for (const std::uint8_t byte : bytes) number = number << 8 | byte;
  return number;
}

// Decodes a record. After an attempt to read past the end, everything reads as zero and ok() is
// false. Results refer to the bytes that it was created with.
class JuteReader {
 public:
  explicit JuteReader(ByteView bytes) : left_(bytes) {}

  bool ok() const { return is_ok_; }
  std::size_t left() const { return left_.size(); }

  std::uint8_t Byte() { return static_cast<std::uint8_t>(Number(1)); }
  bool Bool() { return Number(1) != 0; }
  std::int32_t Int() { return static_cast<std::int32_t>(Number(4)); }
  std::int64_t Long() { return static_cast<std::int64_t>(Number(8)); }
  // nullopt: null, which is not the same as empty.
  std::optional<ByteView> Buffer() {
    const std::int32_t length = Int();
    if (length == -1 || !is_ok_) return std::nullopt;
    return Take(length < 0 ? SIZE_MAX : static_cast<std::size_t>(length));
  }
  // Null reads as empty.
  std::string_view Text() { return AsText(Buffer().value_or(ByteView())); }
  // The number of elements that follow, each of at least `element_bytes_min` bytes; 0 for null.
  std::size_t Count(std::size_t element_bytes_min) {
    const std::int32_t count = Int();
    if (count == -1) return 0;
    if (count < 0 || static_cast<std::size_t>(count) > left_.size() / element_bytes_min) Fail();
    return is_ok_ ? static_cast<std::size_t>(count) : 0;
  }

 private:
  ByteView Take(std::size_t bytes) {
    if (bytes > left_.size()) Fail();
    if (!is_ok_) return {};
    const ByteView taken = left_.first(bytes);
    left_ = left_.subspan(bytes);
    return taken;
  }
  std::uint64_t Number(std::size_t bytes) { return LoadNumber(Take(bytes)); }
  void Fail() {
    is_ok_ = false;
    left_ = {};
  }

  ByteView left_;
  bool is_ok_ = true;
};

class JuteWriter {
 public:
  JuteWriter& Int(std::int32_t value) { return Number(static_cast<std::uint32_t>(value), 4); }
  JuteWriter& Long(std::int64_t value) { return Number(static_cast<std::uint64_t>(value), 8); }
  JuteWriter& Bool(bool value) { return Number(value ? 1 : 0, 1); }
  JuteWriter& Text(std::string_view text) { return Buffer(AsBytes(text)); }
  JuteWriter& Buffer(ByteView bytes) {
    Int(static_cast<std::int32_t>(bytes.size()));
    return Raw(bytes);
  }
  JuteWriter& BufferOrNull(const std::optional<Bytes>& bytes) {
    return bytes ? Buffer(*bytes) : Int(-1);
  }
  JuteWriter& Raw(ByteView bytes) {
    bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
    return *this;
  }
  const Bytes& bytes() const { return bytes_; }

 private:
  JuteWriter& Number(std::uint64_t value, int count) {
    for (int shift = 8 * (count - 1); shift >= 0; shift -= 8)
      bytes_.push_back(static_cast<std::uint8_t>(value >> shift));
    return *this;
  }
  Bytes bytes_;
};

}  // namespace holdfast::zookeeper
