#include "common/repository/format/chunker.h"

#include <algorithm>

#include "common/base/result.h"
#include "common/crypto/sha256.h"

namespace holdfast::repository {
namespace {

constexpr std::string_view kTableLabel = "holdfast gear table v1";

// A border is where the hash's top bits are zero: 22 before the normal size, 18 after it, so that
// sizes vary less (normalized chunking). The top bits depend on the last 64 bytes.
constexpr std::uint64_t kBorderBefore = 1ULL << (64 - 22);
constexpr std::uint64_t kBorderAfter = 1ULL << (64 - 18);
constexpr std::size_t kWindowBytes = 64;
// There is no border before the minimum size, so hashing begins only one window before it.
constexpr std::size_t kHashBegin = kChunkBytesMin - kWindowBytes;

class ContentChunker final : public Chunker {
 public:
  explicit ContentChunker(const GearTable& table) : table_(table) {}

  Step Feed(ByteView bytes) override {
    Step step;
    step.used = Skip(bytes.size());
    step.used += Hash(bytes.subspan(step.used), kChunkBytesMin, 0, step.is_border);
    if (!step.is_border) {
      step.used += Hash(bytes.subspan(step.used), kChunkBytesNormal, kBorderBefore, step.is_border);
    }
    if (!step.is_border) {
      step.used += Hash(bytes.subspan(step.used), kChunkBytesMax, kBorderAfter, step.is_border);
    }
    if (position_ == kChunkBytesMax) step.is_border = true;
    if (step.is_border) Reset();
    return step;
  }

  void Reset() override {
    position_ = 0;
    hash_ = 0;
  }

 private:
  std::size_t Skip(std::size_t available) {
    const std::size_t count = std::min(available, kHashBegin - std::min(kHashBegin, position_));
    position_ += count;
    return count;
  }

  // Continues up to `end` of the chunk, or until the hash is less than `border`.
  std::size_t Hash(ByteView bytes, std::size_t end, std::uint64_t border, bool& is_border) {
    const std::size_t count = std::min(bytes.size(), end - std::min(end, position_));
    std::uint64_t hash = hash_;
    std::size_t i = 0;
    // Does the same for four bytes at a time. What they add does not depend on the previous hash.
    while (count - i >= 4) {
      const std::uint64_t a = table_[bytes[i]];
      const std::uint64_t b = (a << 1) + table_[bytes[i + 1]];
      const std::uint64_t c = (b << 1) + table_[bytes[i + 2]];
      const std::uint64_t d = (c << 1) + table_[bytes[i + 3]];
      const bool none = (hash << 1) + a >= border && (hash << 2) + b >= border &&
                        (hash << 3) + c >= border && (hash << 4) + d >= border;
      if (!none) break;  // the loop below finds it
      hash = (hash << 4) + d;
      i += 4;
    }
    while (i < count) {
      hash = (hash << 1) + table_[bytes[i]];
      ++i;
      if (hash < border) {
        is_border = true;
        break;
      }
    }
    hash_ = hash;
    position_ += i;
    return i;
  }

  const GearTable& table_;
  std::size_t position_ = 0;  // within the chunk
  std::uint64_t hash_ = 0;
};

class FixedChunker final : public Chunker {
 public:
  explicit FixedChunker(std::size_t block_bytes) : block_bytes_(block_bytes) {}

  Step Feed(ByteView bytes) override {
    const std::size_t used = std::min(bytes.size(), block_bytes_ - position_);
    position_ += used;
    const bool is_border = position_ == block_bytes_;
    if (is_border) position_ = 0;
    return {used, is_border};
  }

  void Reset() override { position_ = 0; }

 private:
  const std::size_t block_bytes_;
  std::size_t position_ = 0;
};

}  // namespace

GearTable MakeGearTable(const std::array<std::uint8_t, 32>& chunker_key) {
  GearTable table;
  const Bytes bytes = crypto::HkdfSha256(chunker_key, kTableLabel, sizeof table);
  for (std::size_t i = 0; i < table.size(); ++i) {
    std::uint64_t value = 0;
    for (std::size_t j = 0; j < 8; ++j) value |= std::uint64_t{bytes[i * 8 + j]} << (8 * j);
    table[i] = value;
  }
  return table;
}

std::unique_ptr<Chunker> MakeContentChunker(const GearTable& table) {
  return std::make_unique<ContentChunker>(table);
}

std::unique_ptr<Chunker> MakeFixedChunker(std::size_t block_bytes) {
  HF_CHECK(block_bytes > 0 && block_bytes <= kChunkBytesMax);
  return std::make_unique<FixedChunker>(block_bytes);
}

}  // namespace holdfast::repository
