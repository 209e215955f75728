// The table of an index in memory: where each blob is stored. It must not know files or threads.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "common/base/result.h"
#include "common/repository/format/pack_contents.h"

namespace holdfast::repository {

using VisitBlob = std::function<void(BlobType, const Id&, const BlobLocation&)>;

// At most 60 bytes per blob if packs have 16 blobs or more: 48-byte entries in blocks that never
// move, and a hash table of 32-bit entry numbers. The owner ensures that there are either only
// readers or a single writer.
class BlobTable {
 public:
  struct Entry {
    Id id;
    std::uint32_t pack = 0;  // index in packs(), and kTreeBit
    std::uint32_t offset = 0;
    std::uint32_t length = 0;
    std::uint32_t plain_length = 0;  // 0: not compressed
  };
  static_assert(sizeof(Entry) == 48);
  static constexpr std::uint32_t kTreeBit = 1U << 31;
  static constexpr std::size_t kBlockEntries = 1024;

  // Skips blobs that the table already has at the same location.
  void Add(const PackContents& pack);
  std::optional<BlobLocation> Find(BlobType type, const Id& id) const;
  // The blob's position in the order of ForEach(); the first one if it has several.
  std::optional<std::uint32_t> NumberOf(BlobType type, const Id& id) const;
  // All locations of one blob.
  std::vector<BlobLocation> FindAll(BlobType type, const Id& id) const;
  void ForEach(const VisitBlob& visit) const;
  std::size_t size() const { return size_; }
  // Memory use in bytes.
  std::size_t memory() const;

  // For exporting: the ids of the packs by number, and the entries in the order of the
  // hash table, up to `entries_max` at a time. Importing them in this order is several times faster
  // than in any other.
  const std::deque<Id>& packs() const { return packs_; }
  Result<void> ForEachEntry(std::size_t entries_max,
                            const std::function<Result<void>(std::span<const Entry>)>& visit) const;
  // Imports into an empty table: call BeginImport(), then fill each ImportedBlock() once, on any
  // thread, then call EndImport(), which returns false if an entry is invalid.
  void BeginImport(std::deque<Id> packs, std::size_t count);
  std::span<Entry> ImportedBlock(std::size_t block);
  [[nodiscard]] bool EndImport();

 private:
  // A hash table with open addressing. It contains the numbers of objects, counted from 0; the
  // owner compares the objects. A slot with 0 is free. Slots ascend with the hashes, so their order
  // does not depend on the size of the table. Grows by half, because doubling would exceed the
  // memory per blob that is stated above.
  class Slots {
   public:
    // The first matching number in the probe sequence of `hash`, or nullopt.
    template <typename Matches>
    std::optional<std::uint32_t> Find(std::size_t hash, const Matches& matches) const {
      if (slots_.empty()) return std::nullopt;
      for (std::size_t i = First(hash, slots_.size()); slots_[i] != 0; i = Next(i)) {
        if (matches(slots_[i] - 1)) return slots_[i] - 1;
      }
      return std::nullopt;
    }
    // Inserts the next number. When the table grows, `hash_of` returns the hash of a number in it.
    template <typename HashOf>
    void Insert(std::size_t hash, const HashOf& hash_of) {
      if ((count_ + 1) * 4 > slots_.size() * 3) Grow(hash_of);
      Place(hash);
    }
    // Reserves room for `count` numbers. REQUIRES: the table is empty.
    void Reserve(std::size_t count) { slots_.resize(count + count / 2 + 1); }
    // Visits all numbers in the order of the slots; `next` prefetches one that follows soon.
    template <typename Visit, typename Prefetch>
    Result<void> ForEach(const Visit& visit, const Prefetch& next) const {
      constexpr std::size_t kAhead = 32;
      for (std::size_t i = 0; i < slots_.size(); ++i) {
        if (i + kAhead < slots_.size() && slots_[i + kAhead] != 0) next(slots_[i + kAhead] - 1);
        if (slots_[i] != 0) HF_TRY(visit(slots_[i] - 1));
      }
      return {};
    }
    std::size_t memory() const { return slots_.capacity() * sizeof(std::uint32_t); }

   private:
    static std::size_t First(std::size_t hash, std::size_t size) {
      return ((hash >> 32) * size) >> 32;
    }
    std::size_t Next(std::size_t i) const { return i + 1 == slots_.size() ? 0 : i + 1; }
    template <typename HashOf>
    void Grow(const HashOf& hash_of) {
      const std::size_t size = slots_.empty() ? 64 : slots_.size() + slots_.size() / 2;
      slots_ = std::vector<std::uint32_t>();  // frees it before allocating the larger one
      slots_.resize(size);
      const std::uint32_t count = std::exchange(count_, 0);
      for (std::uint32_t number = 0; number < count; ++number) Place(hash_of(number));
    }
    void Place(std::size_t hash) {
      std::size_t i = First(hash, slots_.size());
      while (slots_[i] != 0) i = Next(i);
      slots_[i] = ++count_;
    }
    std::vector<std::uint32_t> slots_;
    std::uint32_t count_ = 0;
  };

  const Entry& EntryAt(std::uint32_t number) const {
    return blocks_[number / kBlockEntries][number % kBlockEntries];
  }
  BlobLocation LocationOf(const Entry& entry) const;
  std::uint32_t PackNumber(const Id& pack);

  std::vector<std::unique_ptr<Entry[]>> blocks_;
  std::size_t size_ = 0;
  Slots slots_;
  std::deque<Id> packs_;  // a deque never needs twice its memory to grow
  Slots pack_slots_;
};

}  // namespace holdfast::repository
