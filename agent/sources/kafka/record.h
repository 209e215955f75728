// One record of a Kafka partition, as views into memory that it does not own.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "agent/sources/kafka/varint.h"
#include "common/base/bytes.h"
#include "common/base/result.h"

namespace holdfast::kafka {

// Whether the producer or the broker set the timestamp.
enum class TimestampType : std::uint8_t { kCreateTime, kLogAppendTime };

struct Header {
  ByteView name;                  // may be empty, and may repeat
  std::optional<ByteView> value;  // null differs from empty
};

// The headers of a record, in order, encoded as in a batch and decoded one at a time. An untrusted
// batch could make a list of them arbitrarily large.
class Headers {
 public:
  Headers() = default;
  // REQUIRES: `encoded` holds exactly `count` headers.
  Headers(std::size_t count, ByteView encoded) : count_(count), encoded_(encoded) {}

  std::size_t size() const { return count_; }
  ByteView encoded() const { return encoded_; }
  // Calls visit(const Header&) for each.
  template <typename Visit>
  void ForEach(Visit&& visit) const {
    ByteView rest = encoded_;
    for (std::size_t i = 0; i < count_; ++i) {
      const std::optional<ByteView> name = Take(rest);
      HF_CHECK(name.has_value());
      visit(Header{*name, Take(rest)});
    }
  }

 private:
  static std::optional<ByteView> Take(ByteView& rest) {
    std::int64_t size = 0;
    HF_CHECK(TakeVarint(rest, size) == VarintRead::kDone);
    if (size < 0) return std::nullopt;
    HF_CHECK(static_cast<std::size_t>(size) <= rest.size());
    const ByteView bytes = rest.first(static_cast<std::size_t>(size));
    rest = rest.subspan(bytes.size());
    return bytes;
  }

  std::size_t count_ = 0;
  ByteView encoded_;
};

// Builds Headers for one record after another, reusing its memory.
class HeaderList {
 public:
  void Clear() {
    count_ = 0;
    encoded_.clear();
  }
  void Add(ByteView name, std::optional<ByteView> value);
  // Valid until the list changes.
  Headers view() const { return {count_, encoded_}; }

 private:
  void Append(std::optional<ByteView> bytes);

  std::size_t count_ = 0;
  Bytes encoded_;
};

struct Record {
  std::int64_t offset = 0;
  std::int64_t timestamp = 0;  // milliseconds since 1970; may be negative
  TimestampType timestamp_type = TimestampType::kCreateTime;
  std::optional<ByteView> key;  // for key and value, null differs from empty
  std::optional<ByteView> value;
  Headers headers;

  // Bytes of key, value and headers.
  std::size_t content_bytes() const {
    return key.value_or(ByteView()).size() + value.value_or(ByteView()).size() +
           headers.encoded().size();
  }
};

}  // namespace holdfast::kafka
