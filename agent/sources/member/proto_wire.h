// The part of Protobuf's wire format that etcd's messages need: varints, fixed-width numbers and
// length-delimited fields (https://protobuf.dev/programming-guides/encoding).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "common/base/bytes.h"
#include "common/base/result.h"

namespace holdfast {

// A varint. In a stream, one also precedes each message.
void AppendVarint(std::uint64_t value, Bytes& bytes);
// Removes one from the front. kCorrupt if it is truncated or longer than 64 bits.
Result<std::uint64_t> TakeVarint(ByteView& bytes);

// Appends fields to a message. Omits zero and empty values, as proto3 does.
class ProtoWriter {
 public:
  void Add(std::uint32_t field, std::uint64_t value);
  void Add(std::uint32_t field, std::string_view value);
  void Add(std::uint32_t field, bool value) { Add(field, std::uint64_t{value}); }
  const Bytes& bytes() const { return bytes_; }

 private:
  Bytes bytes_;
};

// Iterates over the fields of an untrusted message. Views are valid as long as the message.
class ProtoReader {
 public:
  explicit ProtoReader(ByteView message) : rest_(message) {}
  // Moves to the next field; false at the end. kCorrupt if the message is malformed: a truncated
  // field, a varint of more than ten bytes, field number 0, an unknown wire type, or a group.
  Result<bool> Next();
  std::uint32_t field() const { return field_; }
  // 0 if the field is length-delimited.
  std::uint64_t number() const { return number_; }
  // Empty if the field is a number.
  ByteView bytes() const { return bytes_; }
  std::string text() const { return std::string(AsText(bytes_)); }

 private:
  Result<std::uint64_t> TakeFixed(std::size_t width);
  ByteView rest_;
  std::uint32_t field_ = 0;
  std::uint64_t number_ = 0;
  ByteView bytes_;
};

}  // namespace holdfast
