// A repository in restic's format, version 2, which stock restic can read and write.
//
// There are three layers:
//   Repository      keys, config, index, locks; loads blobs and small sealed files (this header)
//   BlobWriter      stores blobs in packs and adds them to the index (blob_writer.h)
//   PartWriter, Composer, OpenSnapshot, CheckRepository   trees, snapshots (part_writer.h,
//                   composer.h, snapshot_reader.h, check.h)
// Crash safety follows from the order of writes: packs, then the index, then the snapshot.
// Format: docs/repository-format.md.
//
// This room implements restic's format and includes everything that opens, changes or checks a
// repository. It knows storages and items, but no kind of source.
#pragma once

#include <array>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "common/base/bytes.h"
#include "common/base/clock.h"
#include "common/base/random.h"
#include "common/base/result.h"
#include "common/base/secret.h"
#include "common/crypto/seal.h"
#include "common/repository/pack_contents.h"
#include "common/repository/repository_options.h"
#include "common/repository/types.h"
#include "common/storage/storage.h"

namespace holdfast::repository {

// How many threads work on a storage's blobs at once: one per core, or one per useful connection
// (at most 16), whichever is more.
unsigned ThreadsFor(const Storage& storage);
// The same for threads that each read and hold little. At least two per core, up to 16, since some
// of them wait for the disk.
unsigned ReadThreadsFor(const Storage& storage);

// Safe to use from several threads once the index was loaded; for locks, even before.
class Repository {
 public:
  virtual ~Repository() = default;

  // Creates a repository: key, then config. kAlreadyExists if a config, key or snapshot exists.
  static Result<Config> Init(Storage& storage, const Secret& password, const InitOptions& options,
                             Random& random, const Clock& clock);
  // Opens key and config. kNotFound: no repository; kDenied: the password opens no key;
  // kUnsupported: format version 1 or unknown. `clock` and `random` must outlive the repository.
  static Result<std::unique_ptr<Repository>> Open(std::unique_ptr<Storage> storage,
                                                  const Secret& password,
                                                  const OpenOptions& options, Random& random,
                                                  const Clock& clock);

  virtual Storage& storage() = 0;
  virtual const Config& config() const = 0;
  virtual const OpenOptions& options() const = 0;
  virtual Random& random() = 0;
  virtual const Clock& clock() const = 0;
  // The key file that opened the repository.
  virtual const Id& key() const = 0;
  // Makes, but does not store, a key file that opens this repository with `password`.
  virtual Result<Bytes> MakeKey(const Secret& password, const InitOptions& options) = 0;
  // Whether a key file opens this very repository with `password`. kCorrupt if it is malformed.
  virtual Result<bool> IsOpenedBy(ByteView key_file, const Secret& password) = 0;
  // Secret for the content chunker's table, derived from the repository's key.
  virtual const std::array<std::uint8_t, 32>& chunker_key() const = 0;

  // Reads all index files. Call it again to see what others added or removed, and after listing
  // snapshots. kCorrupt names a bad index file, of which nothing is used. Entries that came from
  // the cache are replaced with those in the repository.
  virtual Result<void> LoadIndex(std::stop_token stop) = 0;
  // The same, but uses the cache. For adding to a repository; a restore or a check must see what
  // the repository really has.
  virtual Result<void> LoadIndexWithCache(std::stop_token stop) = 0;
  // Writes the index in memory to the cache, if there is one and it is worthwhile. An error affects
  // only the cache; the backup is complete without it.
  virtual Result<void> SaveIndexCache() = 0;
  virtual std::optional<BlobLocation> Find(BlobType type, const Id& id) const = 0;
  // All locations of a blob, that of Find() first; empty if no pack has it.
  virtual std::vector<BlobLocation> FindAll(BlobType type, const Id& id) const = 0;
  // Number of entries in the index in memory.
  virtual std::size_t BlobCount() const = 0;
  // The position of the blob's first entry in the order of ForEachBlob(). Valid until LoadIndex()
  // is called; SaveIndex() appends entries.
  virtual std::optional<std::size_t> BlobNumber(BlobType type, const Id& id) const = 0;
  // Memory that the index takes, in bytes.
  virtual std::size_t IndexMemory() const = 0;
  // Visits every entry of the index, in no particular order; a blob in two packs has two. Stops at
  // the visitor's first error. The visitor must not call LoadIndex() or SaveIndex().
  virtual Result<void> ForEachBlob(
      const std::function<Result<void>(BlobType, const Id&, const BlobLocation&)>& visit) const = 0;
  // The same with BlobNumber() of each.
  virtual Result<void> ForEachNumberedBlob(
      const std::function<Result<void>(std::size_t, BlobType, const Id&, const BlobLocation&)>&
          visit) const = 0;
  // The blob's plaintext, with verified hash; from another pack if the first copy cannot be loaded.
  // kNotFound: not in the index; kCorrupt names the pack.
  virtual Result<Bytes> LoadBlob(BlobType type, const Id& id) = 0;
  // The same in pieces, for a blob whose plaintext is too large for memory. The sealed bytes are in
  // memory and are decrypted twice: first to verify the hash, then for `visit`, whose error ends
  // the call.
  virtual Result<void> StreamBlob(BlobType type, const Id& id,
                                  const std::function<Result<void>(ByteView)>& visit) = 0;
  // Decrypts a blob whose sealed bytes the caller has read, e.g. while checking a whole pack, and
  // verifies its hash. kCorrupt. REQUIRES: sealed.size() == location.length.
  virtual Result<Bytes> OpenBlob(BlobType type, const Id& id, const BlobLocation& location,
                                 ByteView sealed) = 0;
  // Seals and opens with the repository's key. Busy threads should have one each.
  virtual crypto::Sealer NewSealer() = 0;
  // The same with a key derived for `label`, for files outside the repository. As the key differs,
  // no such file can pass as a file of the repository.
  virtual crypto::Sealer NewLocalSealer(std::string_view label) = 0;
  // Writes one index file for `packs` while `permit` allows it, and adds them to the index in
  // memory. REQUIRES: the packs are durable.
  virtual Result<Id> SaveIndex(std::span<const PackContents> packs, const Permit& permit = {}) = 0;

  // Loads a sealed JSON file (index, snapshot, lock): verifies the hash in its name, decrypts and
  // decompresses it. kNotFound; kCorrupt names the file.
  virtual Result<Bytes> LoadSealed(FileKind kind, const Id& id) = 0;
  // The same, but cached in memory, for snapshots and locks: every backup lists them several times.
  virtual Result<Bytes> LoadSealedCached(FileKind kind, const Id& id) = 0;
  // Seals and stores a file; returns its id. The same JSON gets a different id each time.
  virtual Result<Id> SaveSealed(FileKind kind, ByteView json) = 0;
  // The two halves of SaveSealed(), for callers that must rewrite the same file after a crash.
  virtual Result<Bytes> SealFile(FileKind kind, ByteView json) = 0;
  virtual Result<Id> StoreSealed(FileKind kind, ByteView sealed, const Permit& permit = {}) = 0;
  // Opens what SealFile() returned. kCorrupt if this repository's key does not open it.
  virtual Result<Bytes> OpenSealed(ByteView sealed) = 0;
};

}  // namespace holdfast::repository
