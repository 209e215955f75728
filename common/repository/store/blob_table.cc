#include "common/repository/store/blob_table.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "common/crypto/seal.h"

namespace holdfast::repository {

std::uint32_t BlobTable::PackNumber(const Id& pack) {
  const std::size_t hash = IdHash()(pack);
  const auto found =
      pack_slots_.Find(hash, [&](std::uint32_t number) { return packs_[number] == pack; });
  if (found) return *found;
  const auto number = static_cast<std::uint32_t>(packs_.size());
  HF_CHECK(number < kTreeBit);
  packs_.push_back(pack);
  pack_slots_.Insert(hash, [&](std::uint32_t old) { return IdHash()(packs_[old]); });
  return number;
}

void BlobTable::Add(const PackContents& pack) {
  const std::uint32_t pack_number = PackNumber(pack.id);
  for (const PackContents::Blob& blob : pack.blobs) {
    const std::uint32_t pack_and_type =
        pack_number | (blob.type == BlobType::kTree ? kTreeBit : 0U);
    const std::size_t hash = IdHash()(blob.id);
    const auto twin = slots_.Find(hash, [&](std::uint32_t number) {
      const Entry& entry = EntryAt(number);
      return entry.id == blob.id && entry.pack == pack_and_type && entry.offset == blob.offset &&
             entry.length == blob.length;
    });
    if (twin) continue;
    HF_CHECK(size_ < std::numeric_limits<std::uint32_t>::max());
    if (size_ % kBlockEntries == 0) blocks_.push_back(std::make_unique<Entry[]>(kBlockEntries));
    blocks_.back()[size_ % kBlockEntries] = {blob.id, pack_and_type, blob.offset, blob.length,
                                             blob.compressed ? blob.plain_length : 0};
    slots_.Insert(hash, [&](std::uint32_t old) { return IdHash()(EntryAt(old).id); });
    ++size_;
  }
}

BlobLocation BlobTable::LocationOf(const Entry& entry) const {
  BlobLocation location;
  location.pack = packs_[entry.pack & ~kTreeBit];
  location.offset = entry.offset;
  location.length = entry.length;
  location.compressed = entry.plain_length != 0;
  location.plain_length = location.compressed
                              ? entry.plain_length
                              : entry.length - static_cast<std::uint32_t>(crypto::kSealOverhead);
  return location;
}

std::optional<std::uint32_t> BlobTable::NumberOf(BlobType type, const Id& id) const {
  return slots_.Find(IdHash()(id), [&](std::uint32_t number) {
    const Entry& entry = EntryAt(number);
    return entry.id == id && ((entry.pack & kTreeBit) != 0) == (type == BlobType::kTree);
  });
}

std::optional<BlobLocation> BlobTable::Find(BlobType type, const Id& id) const {
  const std::optional<std::uint32_t> found = NumberOf(type, id);
  if (!found) return std::nullopt;
  return LocationOf(EntryAt(*found));
}

std::vector<BlobLocation> BlobTable::FindAll(BlobType type, const Id& id) const {
  std::vector<BlobLocation> locations;
  (void)slots_.Find(IdHash()(id), [&](std::uint32_t number) {  // collects, never matches
    const Entry& entry = EntryAt(number);
    if (entry.id == id && ((entry.pack & kTreeBit) != 0) == (type == BlobType::kTree)) {
      locations.push_back(LocationOf(entry));
    }
    return false;
  });
  return locations;
}

void BlobTable::ForEach(const VisitBlob& visit) const {
  for (std::uint32_t number = 0; number < size_; ++number) {
    const Entry& entry = EntryAt(number);
    const BlobType type = (entry.pack & kTreeBit) != 0 ? BlobType::kTree : BlobType::kData;
    visit(type, entry.id, LocationOf(entry));
  }
}

Result<void> BlobTable::ForEachEntry(
    std::size_t entries_max,
    const std::function<Result<void>(std::span<const Entry>)>& visit) const {
  std::vector<Entry> entries;
  entries.reserve(entries_max);
  const auto take = [&](std::uint32_t number) -> Result<void> {
    entries.push_back(EntryAt(number));
    if (entries.size() < entries_max) return {};
    HF_TRY(visit(entries));
    entries.clear();
    return {};
  };
  HF_TRY(slots_.ForEach(take, [&](std::uint32_t number) { __builtin_prefetch(&EntryAt(number)); }));
  return entries.empty() ? Result<void>{} : visit(entries);
}

void BlobTable::BeginImport(std::deque<Id> packs, std::size_t count) {
  HF_CHECK(size_ == 0 && packs_.empty());
  HF_CHECK(packs.size() < kTreeBit && count < std::numeric_limits<std::uint32_t>::max());
  packs_ = std::move(packs);
  size_ = count;
  blocks_.resize((count + kBlockEntries - 1) / kBlockEntries);
}

std::span<BlobTable::Entry> BlobTable::ImportedBlock(std::size_t block) {
  const std::size_t begin = block * kBlockEntries;
  HF_CHECK(begin < size_);
  blocks_[block] = std::make_unique<Entry[]>(kBlockEntries);
  return {blocks_[block].get(), std::min(kBlockEntries, size_ - begin)};
}

bool BlobTable::EndImport() {
  slots_.Reserve(size_);
  for (std::uint32_t number = 0; number < size_; ++number) {
    const Entry& entry = EntryAt(number);
    const bool is_good = (entry.pack & ~kTreeBit) < packs_.size() &&
                         entry.length >= crypto::kSealOverhead &&
                         entry.length <= std::numeric_limits<std::uint32_t>::max() - entry.offset;
    if (!is_good) return false;
    slots_.Insert(IdHash()(entry.id), [](std::uint32_t) { return std::size_t{0}; });
  }
  const auto hash_of = [&](std::uint32_t old) { return IdHash()(packs_[old]); };
  for (const Id& pack : packs_) pack_slots_.Insert(IdHash()(pack), hash_of);
  return true;
}

std::size_t BlobTable::memory() const {
  return blocks_.size() * kBlockEntries * sizeof(Entry) +
         blocks_.capacity() * sizeof(std::unique_ptr<Entry[]>) +
         packs_.size() * (sizeof(Id) + sizeof(Id*) / (512 / sizeof(Id))) + slots_.memory() +
         pack_slots_.memory();
}

}  // namespace holdfast::repository
