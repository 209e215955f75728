// Writes bbolt files page by page, so that tests can damage them precisely.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "common/base/bytes.h"

namespace holdfast::testing {

class BoltBuilder {
 public:
  static constexpr std::size_t kPage = 4096;
  using Pairs = std::vector<std::pair<std::string, std::string>>;

  BoltBuilder() : bytes_(kPage * 2) {}

  // Adds a leaf with `pairs`, and returns its page.
  std::uint64_t AddLeaf(const Pairs& pairs, bool are_buckets = false) {
    std::uint64_t id = NewPage(2, pairs.size());
    std::size_t top = static_cast<std::size_t>(id) * kPage;
    std::size_t data = 16 + 16 * pairs.size();
    for (std::size_t i = 0; i < pairs.size(); ++i) {
      const auto& [key, value] = pairs[i];
      std::size_t element = 16 + 16 * i;
      Put(top + element, are_buckets ? 1 : 0, 4);
      Put(top + element + 4, data - element, 4);
      Put(top + element + 8, key.size(), 4);
      Put(top + element + 12, value.size(), 4);
      PutText(top + data, key + value);
      data += key.size() + value.size();
    }
    return id;
  }
  // Adds a branch over `children`, each with the first key below it.
  std::uint64_t AddBranch(const std::vector<std::pair<std::string, std::uint64_t>>& children) {
    std::uint64_t id = NewPage(1, children.size());
    std::size_t top = static_cast<std::size_t>(id) * kPage;
    std::size_t data = 16 + 16 * children.size();
    for (std::size_t i = 0; i < children.size(); ++i) {
      const auto& [key, child] = children[i];
      std::size_t element = 16 + 16 * i;
      Put(top + element, data - element, 4);
      Put(top + element + 4, key.size(), 4);
      Put(top + element + 8, child, 8);
      PutText(top + data, key);
      data += key.size();
    }
    return id;
  }
  // The value of a bucket whose tree begins at `page`.
  static std::string BucketValue(std::uint64_t page) {
    std::string value(16, '\0');
    for (int i = 0; i < 8; ++i)
      value[static_cast<std::size_t>(i)] = static_cast<char>(page >> (8 * i));
    return value;
  }
  // An inline bucket with one pair.
  static std::string InlineBucket(const std::string& key, const std::string& value) {
    BoltBuilder inner;
    std::uint64_t id = inner.AddLeaf({{key, value}});
    auto begin = inner.bytes_.begin() + static_cast<std::ptrdiff_t>(id * kPage);
    return std::string(16, '\0') +
           std::string(begin, begin + 32 + static_cast<std::ptrdiff_t>(key.size() + value.size()));
  }
  // Adds both meta pages; the second is newer.
  Bytes Finish(std::uint64_t root) {
    WriteMeta(0, root, 6);
    WriteMeta(1, root, 7);
    return bytes_;
  }
  void WriteMeta(std::uint64_t page, std::uint64_t root, std::uint64_t transaction) {
    std::size_t top = static_cast<std::size_t>(page) * kPage;
    Put(top, page, 8);
    Put(top + 8, 4, 2);
    std::size_t meta = top + 16;
    Put(meta, 0xED0CDAED, 4);
    Put(meta + 4, 2, 4);
    Put(meta + 8, kPage, 4);
    Put(meta + 16, root, 8);
    Put(meta + 48, transaction, 8);
    std::uint64_t hash = 0xcbf29ce484222325ULL;
    for (std::size_t i = 0; i < 56; ++i) hash = (hash ^ bytes_[meta + i]) * 0x100000001b3ULL;
    Put(meta + 56, hash, 8);
  }
  Bytes& bytes() { return bytes_; }
  void Put(std::size_t at, std::uint64_t value, std::size_t width) {
    for (std::size_t i = 0; i < width; ++i)
      bytes_[at + i] = static_cast<std::uint8_t>(value >> (8 * i));
  }

 private:
  std::uint64_t NewPage(std::uint64_t flags, std::size_t count) {
    std::uint64_t id = bytes_.size() / kPage;
    bytes_.resize(bytes_.size() + kPage);
    Put(static_cast<std::size_t>(id) * kPage, id, 8);
    Put(static_cast<std::size_t>(id) * kPage + 8, flags, 2);
    Put(static_cast<std::size_t>(id) * kPage + 10, count, 2);
    return id;
  }
  void PutText(std::size_t at, const std::string& text) {
    for (std::size_t i = 0; i < text.size(); ++i)
      bytes_[at + i] = static_cast<std::uint8_t>(text[i]);
  }
  Bytes bytes_;
};

}  // namespace holdfast::testing
