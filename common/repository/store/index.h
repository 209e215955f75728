// A repository's index: which blobs the packs contain. It must not know keys or the blobs'
// contents. blob_table.h is its form in memory, index_file.h and index_cache.h are its files.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <set>
#include <shared_mutex>
#include <span>
#include <stop_token>
#include <vector>

#include "common/base/clock.h"
#include "common/base/result.h"
#include "common/repository/format/pack_contents.h"
#include "common/repository/format/types.h"
#include "common/repository/store/blob_table.h"
#include "common/repository/store/index_cache.h"
#include "common/repository/store/sealed_files.h"
#include "common/storage/storage.h"

namespace holdfast::repository {

using VisitNumberedBlob =
    std::function<void(std::size_t number, BlobType, const Id&, const BlobLocation&)>;

// Empty until Load() is called. Safe to use from several threads.
class Index {
 public:
  // `storage`, `files` and `clock` must outlive the object. Without `cache`, nothing is cached.
  Index(Storage& storage, SealedFiles& files, const Clock& clock, std::optional<IndexCache> cache)
      : storage_(storage), files_(files), clock_(clock), cache_(std::move(cache)) {}

  // Reads all index files. Call it again to see what others added or removed, and after listing
  // snapshots. kCorrupt names a bad index file, of which nothing is used. Entries that came from
  // the cache are replaced with those in the repository.
  Result<void> Load(const std::stop_token& stop) { return LoadFrom(false, stop); }
  // The same, but uses the cache. For adding to a repository; a restore or a check must see what
  // the repository really has.
  Result<void> LoadWithCache(const std::stop_token& stop) { return LoadFrom(true, stop); }
  // Writes the index in memory to the cache, if there is one and it is worthwhile. An error affects
  // only the cache; the backup is complete without it.
  Result<void> SaveCache();
  // Writes one index file for `packs` while `permit` allows it, and adds them to the index in
  // memory. REQUIRES: the packs are durable.
  Result<Id> Save(std::span<const PackContents> packs, const Permit& permit = {});

  std::optional<BlobLocation> Find(BlobType type, const Id& id) const {
    return Reading(*this)->Find(type, id);
  }
  // All locations of a blob, that of Find() first; empty if no pack has it.
  std::vector<BlobLocation> FindAll(BlobType type, const Id& id) const {
    return Reading(*this)->FindAll(type, id);
  }
  // Number of entries in memory.
  std::size_t BlobCount() const { return Reading(*this)->size(); }
  // The position of the blob's first entry in the order of ForEachBlob(). Valid until Load() is
  // called; Save() appends entries.
  std::optional<std::size_t> BlobNumber(BlobType type, const Id& id) const {
    return Reading(*this)->NumberOf(type, id);
  }
  // Memory use in bytes.
  std::size_t Memory() const { return Reading(*this)->memory(); }
  // Visits every entry, in no particular order; a blob in two packs has two. The visitor must not
  // call Load() or Save().
  void ForEachBlob(const VisitBlob& visit) const { Reading(*this)->ForEach(visit); }
  // The same with BlobNumber() of each.
  void ForEachNumberedBlob(const VisitNumberedBlob& visit) const;

 private:
  // Holds the table's lock.
  struct Reading {
    explicit Reading(const Index& index) : lock(index.table_mutex_), table(index.table_) {}
    const BlobTable* operator->() const { return &table; }
    std::shared_lock<std::shared_mutex> lock;
    const BlobTable& table;
  };
  struct ListedFile {
    Id id;
    std::uint64_t bytes = 0;
  };
  Result<std::vector<ListedFile>> ListFiles();
  Result<void> LoadFrom(bool uses_cache, const std::stop_token& stop);
  Result<void> TryLoad(bool uses_cache, const std::stop_token& stop);
  Result<void> LoadFiles(std::vector<ListedFile> files, const std::stop_token& stop,
                         const std::function<void(const Id&, std::span<const PackContents>)>& take);

  Storage& storage_;
  SealedFiles& files_;
  const Clock& clock_;
  std::mutex load_mutex_;            // serialises loading and saving; taken before table_mutex_
  std::optional<IndexCache> cache_;  // guarded by load_mutex_
  std::set<Id> indexed_files_;       // what the table consists of; guarded by load_mutex_
  bool is_from_cache_ = false;       // some of them were not read; guarded by load_mutex_
  mutable std::shared_mutex table_mutex_;
  BlobTable table_;  // guarded by table_mutex_
};

}  // namespace holdfast::repository
