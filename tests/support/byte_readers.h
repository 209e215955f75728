// BytesReader reads from memory; ReadAll() drains any reader.
#pragma once

#include <algorithm>
#include <optional>
#include <utility>

#include "common/stream/item.h"

namespace holdfast::testing {

// Returns `content` in pieces, then fails if `error` is set.
class BytesReader final : public ByteReader {
 public:
  explicit BytesReader(Bytes content, std::size_t piece = 65536)
      : content_(std::move(content)), piece_(piece) {}
  Result<std::size_t> Read(std::span<std::uint8_t> buffer) override {
    std::size_t count = std::min({buffer.size(), piece_, content_.size() - at_});
    if (count == 0 && error) return Fail(*error);
    std::copy_n(content_.begin() + static_cast<std::ptrdiff_t>(at_), count, buffer.begin());
    at_ += count;
    return count;
  }
  Result<Outcome> Finish() override { return outcome; }

  std::optional<Error> error;
  Outcome outcome;

 private:
  Bytes content_;
  std::size_t piece_;
  std::size_t at_ = 0;
};

inline Result<Bytes> ReadAll(ByteReader& reader) {
  Bytes all;
  Bytes buffer(100'000);
  for (;;) {
    HF_ASSIGN(std::size_t count, reader.Read(buffer));
    if (count == 0) return all;
    all.insert(all.end(), buffer.begin(), buffer.begin() + static_cast<std::ptrdiff_t>(count));
  }
}

}  // namespace holdfast::testing
