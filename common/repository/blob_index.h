// The repository's index in memory: where each blob lies.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "common/repository/repository.h"

namespace holdfast::repository {

// At most 60 bytes per blob: entries of 48 bytes in blocks that never move, and a table of 32-bit
// numbers that finds them. Readers may be many, a writer must be alone; the owner sees to that.
class BlobIndex {
 public:
  // Blobs that the index has in the same place already are not taken twice.
  void Add(const PackContents& pack);
  std::optional<BlobLocation> Find(BlobType type, const Id& id) const;
  // The blob's place in the order of ForEach(); of the first one if it has several.
  std::optional<std::uint32_t> NumberOf(BlobType type, const Id& id) const;
  // All places of one blob.
  std::vector<BlobLocation> FindAll(BlobType type, const Id& id) const;
  Result<void> ForEach(
      const std::function<Result<void>(BlobType, const Id&, const BlobLocation&)>& visit) const;
  std::size_t size() const { return size_; }
  // What the index takes of memory, in bytes.
  std::size_t memory() const;

 private:
  struct Entry {
    Id id;
    std::uint32_t pack = 0;  // number in packs_, and kTreeBit
    std::uint32_t offset = 0;
    std::uint32_t length = 0;
    std::uint32_t plain_length = 0;  // 0: not compressed
  };
  static_assert(sizeof(Entry) == 48);
  static constexpr std::uint32_t kTreeBit = 1U << 31;
  static constexpr std::size_t kBlockEntries = 1024;

  // Open addressing over numbers of entries, which the owner compares; 0 marks a free slot.
  class Slots {
   public:
    // The first matching number on the way from `hash`, or nullopt.
    template <typename Matches>
    std::optional<std::uint32_t> Find(std::size_t hash, const Matches& matches) const {
      if (slots_.empty()) return std::nullopt;
      const std::size_t mask = slots_.size() - 1;
      for (std::size_t i = hash & mask; slots_[i] != 0; i = (i + 1) & mask) {
        if (matches(slots_[i] - 1)) return slots_[i] - 1;
      }
      return std::nullopt;
    }
    // `hash_of` gives the hash of a number already in the table, for when it grows.
    template <typename HashOf>
    void Insert(std::size_t hash, std::uint32_t number, const HashOf& hash_of) {
      if ((count_ + 1) * 4 > slots_.size() * 3) Grow(hash_of);
      Place(slots_, hash, number + 1);
      ++count_;
    }
    std::size_t memory() const { return slots_.capacity() * sizeof(std::uint32_t); }

   private:
    template <typename HashOf>
    void Grow(const HashOf& hash_of) {
      std::vector<std::uint32_t> larger(slots_.empty() ? 64 : slots_.size() * 2);
      for (std::uint32_t slot : slots_) {
        if (slot != 0) Place(larger, hash_of(slot - 1), slot);
      }
      slots_ = std::move(larger);
    }
    static void Place(std::vector<std::uint32_t>& slots, std::size_t hash, std::uint32_t value) {
      const std::size_t mask = slots.size() - 1;
      std::size_t i = hash & mask;
      while (slots[i] != 0) i = (i + 1) & mask;
      slots[i] = value;
    }
    std::vector<std::uint32_t> slots_;
    std::size_t count_ = 0;
  };

  const Entry& EntryAt(std::uint32_t number) const {
    return blocks_[number / kBlockEntries][number % kBlockEntries];
  }
  BlobLocation LocationOf(const Entry& entry) const;
  std::uint32_t PackNumber(const Id& pack);

  std::vector<std::unique_ptr<Entry[]>> blocks_;
  std::size_t size_ = 0;
  Slots slots_;
  std::vector<Id> packs_;
  Slots pack_slots_;
};

}  // namespace holdfast::repository
