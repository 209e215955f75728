// The repository's index in memory: where each blob lies.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "common/repository/repository.h"

namespace holdfast::repository {

// At most 60 bytes per blob where a pack holds 16 blobs or more: entries of 48 bytes in blocks that
// never move, and a table of 32-bit numbers that finds them. Readers may be many, a writer must be
// alone; the owner sees to that.
class BlobIndex {
 public:
  struct Entry {
    Id id;
    std::uint32_t pack = 0;  // number in packs(), and kTreeBit
    std::uint32_t offset = 0;
    std::uint32_t length = 0;
    std::uint32_t plain_length = 0;  // 0: not compressed
  };
  static_assert(sizeof(Entry) == 48);
  static constexpr std::uint32_t kTreeBit = 1U << 31;
  static constexpr std::size_t kBlockEntries = 1024;

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

  // All of it, for who keeps it elsewhere: the packs by their numbers, and the entries, so many at
  // a time, in the order of the table. In that order they are taken back several times faster than
  // in any other.
  const std::deque<Id>& packs() const { return packs_; }
  Result<void> ForEachEntry(std::size_t entries_max,
                            const std::function<Result<void>(std::span<const Entry>)>& visit) const;
  // The way back, of an index that is still empty: first Begin, then every block is asked for once
  // and written, by any thread, then End, which is false when there is something in them that no
  // index can hold.
  void BeginImport(std::deque<Id> packs, std::size_t count);
  std::span<Entry> ImportedBlock(std::size_t block);
  [[nodiscard]] bool EndImport();

 private:
  // Open addressing over the numbers of things, which are counted from 0 and which the owner
  // compares; 0 marks a free slot. Slots ascend with the hashes, so that the order of the slots is
  // the same however large the table is. Grows by half, or it would take more than the entries are
  // allowed beside themselves.
  class Slots {
   public:
    // The first matching number on the way from `hash`, or nullopt.
    template <typename Matches>
    std::optional<std::uint32_t> Find(std::size_t hash, const Matches& matches) const {
      if (slots_.empty()) return std::nullopt;
      for (std::size_t i = First(hash, slots_.size()); slots_[i] != 0; i = Next(i)) {
        if (matches(slots_[i] - 1)) return slots_[i] - 1;
      }
      return std::nullopt;
    }
    // Of the next number. `hash_of` gives the hash of a number already in the table, for when it
    // grows.
    template <typename HashOf>
    void Insert(std::size_t hash, const HashOf& hash_of) {
      if ((count_ + 1) * 4 > slots_.size() * 3) Grow(hash_of);
      Place(hash);
    }
    // Room for so many in all. REQUIRES: it is empty.
    void Reserve(std::size_t count) { slots_.resize(count + count / 2 + 1); }
    // Every number, in the order of the slots; `next` is told of one that follows soon.
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
      slots_ = std::vector<std::uint32_t>();  // before there is a larger one
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
  std::deque<Id> packs_;  // grows without ever taking twice what it needs
  Slots pack_slots_;
};

}  // namespace holdfast::repository
