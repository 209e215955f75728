// A growable buffer of uninitialised memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>
#include <span>
#include <utility>

#include "common/base/bytes.h"

namespace holdfast {

// Grows at its end like Bytes, but new bytes are uninitialised: where gigabytes pass through a
// buffer, clearing it first costs as much as another copy. Page-aligned, so that a file can be
// written from it without the page cache.
class RawBuffer {
 public:
  static constexpr std::size_t kAlignment = 4096;
  std::size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  std::size_t capacity() const { return capacity_; }
  ByteView view() const { return {memory_.get(), size_}; }
  std::span<std::uint8_t> bytes() { return {memory_.get(), size_}; }

  // Allocates room for `capacity` bytes.
  void Reserve(std::size_t capacity) {
    if (capacity <= capacity_) return;
    Memory memory(
        static_cast<std::uint8_t*>(::operator new(capacity, std::align_val_t{kAlignment})));
    if (size_ > 0) std::memcpy(memory.get(), memory_.get(), size_);
    memory_ = std::move(memory);
    capacity_ = capacity;
  }
  // Appends `count` bytes for the caller to write. The span is valid until the buffer grows again.
  std::span<std::uint8_t> Extend(std::size_t count) {
    if (count > capacity_ - size_) {
      Reserve(size_ + count > 2 * capacity_ ? size_ + count : 2 * capacity_);
    }
    size_ += count;
    return {memory_.get() + size_ - count, count};
  }
  void Append(ByteView bytes) {
    if (!bytes.empty()) std::memcpy(Extend(bytes.size()).data(), bytes.data(), bytes.size());
  }
  // Drops bytes from the end. REQUIRES: size <= size().
  void Shrink(std::size_t size) { size_ = size; }
  // Keeps the memory.
  void Clear() { size_ = 0; }

 private:
  struct Deleter {
    void operator()(std::uint8_t* memory) const {
      ::operator delete(memory, std::align_val_t{kAlignment});
    }
  };
  using Memory = std::unique_ptr<std::uint8_t[], Deleter>;

  Memory memory_;
  std::size_t size_ = 0;
  std::size_t capacity_ = 0;
};

}  // namespace holdfast
