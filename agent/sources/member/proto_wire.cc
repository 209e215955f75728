#include "agent/sources/member/proto_wire.h"

namespace holdfast {
namespace {

constexpr unsigned kVarint = 0;
constexpr unsigned kFixed64 = 1;
constexpr unsigned kLengthDelimited = 2;
constexpr unsigned kFixed32 = 5;

std::unexpected<Error> Torn() {
  return Fail(ErrorCode::kCorrupt, "protobuf message ends within a field");
}

}  // namespace

void AppendVarint(std::uint64_t value, Bytes& bytes) {
  while (value >= 0x80) {
    bytes.push_back(static_cast<std::uint8_t>(value | 0x80));
    value >>= 7;
  }
  bytes.push_back(static_cast<std::uint8_t>(value));
}

Result<std::uint64_t> TakeVarint(ByteView& bytes) {
  std::uint64_t value = 0;
  for (unsigned shift = 0; shift < 70; shift += 7) {
    if (bytes.empty()) return Torn();
    const std::uint8_t byte = bytes.front();
    bytes = bytes.subspan(1);
    if (shift == 63 && byte > 1) break;  // beyond 64 bits
    value |= std::uint64_t{byte & 0x7fU} << shift;
    if ((byte & 0x80) == 0) return value;
  }
  return Fail(ErrorCode::kCorrupt, "protobuf number is longer than 64 bits");
}

void ProtoWriter::Add(std::uint32_t field, std::uint64_t value) {
  if (value == 0) return;
  AppendVarint(std::uint64_t{field} << 3 | kVarint, bytes_);
  AppendVarint(value, bytes_);
}

void ProtoWriter::Add(std::uint32_t field, std::string_view value) {
  if (value.empty()) return;
  AppendVarint(std::uint64_t{field} << 3 | kLengthDelimited, bytes_);
  AppendVarint(value.size(), bytes_);
  bytes_.insert(bytes_.end(), value.begin(), value.end());
}

Result<std::uint64_t> ProtoReader::TakeFixed(std::size_t width) {
  if (rest_.size() < width) return Torn();
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < width; ++i) value |= std::uint64_t{rest_[i]} << (8 * i);
  rest_ = rest_.subspan(width);
  return value;
}

Result<bool> ProtoReader::Next() {
  if (rest_.empty()) return false;
  HF_ASSIGN(std::uint64_t tag, TakeVarint(rest_));
  std::uint64_t field = tag >> 3;
  if (field == 0 || field > 0x1fffffff)
    return Fail(ErrorCode::kCorrupt, "protobuf field number is out of range");
  field_ = static_cast<std::uint32_t>(field);
  number_ = 0;
  bytes_ = {};
  switch (tag & 7) {
    case kVarint: {
      HF_ASSIGN(number_, TakeVarint(rest_));
      return true;
    }
    case kFixed64: {
      HF_ASSIGN(number_, TakeFixed(8));
      return true;
    }
    case kFixed32: {
      HF_ASSIGN(number_, TakeFixed(4));
      return true;
    }
    case kLengthDelimited: {
      HF_ASSIGN(std::uint64_t length, TakeVarint(rest_));
      if (length > rest_.size()) return Torn();
      bytes_ = rest_.first(static_cast<std::size_t>(length));
      rest_ = rest_.subspan(static_cast<std::size_t>(length));
      return true;
    }
    default:
      return Fail(ErrorCode::kCorrupt, "protobuf field has an unknown wire type");
  }
}

}  // namespace holdfast
