// Protobuf's wire format, as much of it as etcd's messages need: varints, fixed-width numbers and
// length-delimited fields (https://protobuf.dev/programming-guides/encoding).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "common/base/bytes.h"
#include "common/base/result.h"

namespace holdfast::etcd {

// A number in seven bits a byte, as it also stands before a message in a stream of them.
void AppendVarint(std::uint64_t value, Bytes& bytes);
// Takes one off the front. kCorrupt when it is torn or longer than 64 bits.
Result<std::uint64_t> TakeVarint(ByteView& bytes);

// Appends fields to a message. Zero and empty values are left out, as proto3 does.
class ProtoWriter {
 public:
  void Add(std::uint32_t field, std::uint64_t value);
  void Add(std::uint32_t field, std::string_view value);
  void Add(std::uint32_t field, bool value) { Add(field, std::uint64_t{value}); }
  const Bytes& bytes() const { return bytes_; }

 private:
  Bytes bytes_;
};

// Walks over the fields of a message somebody else wrote. Views stay valid as long as the message.
class ProtoReader {
 public:
  explicit ProtoReader(ByteView message) : rest_(message) {}
  // Steps to the next field; false at the end. kCorrupt on what is no message: a truncated field, a
  // varint of more than ten bytes, field number 0, a wire type that does not exist, or groups.
  Result<bool> Next();
  std::uint32_t field() const { return field_; }
  bool is_bytes() const { return is_bytes_; }
  // 0 where the field is length-delimited.
  std::uint64_t number() const { return number_; }
  // Empty where the field is a number.
  ByteView bytes() const { return bytes_; }
  std::string text() const { return std::string(AsText(bytes_)); }

 private:
  Result<std::uint64_t> TakeFixed(std::size_t width);
  ByteView rest_;
  std::uint32_t field_ = 0;
  bool is_bytes_ = false;
  std::uint64_t number_ = 0;
  ByteView bytes_;
};

}  // namespace holdfast::etcd
