// A repository in restic's format, version 2: what stock restic reads and writes, natively.
//
// The room in three layers, each with its contract here or beside:
//   Repository      keys, config, index, locks; loads blobs and small sealed files (this header)
//   BlobWriter      stores blobs in packs and tells the index (blob_writer.h)
//   PartWriter, Composer, OpenSnapshot, CheckRepository   trees, snapshots (part_writer.h,
//                   composer.h, snapshot_reader.h, check.h)
// Order of durability, which is the crash argument: packs, then the index, then the snapshot.
// Format: docs/repository-format.md.
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
#include "common/crypto/scrypt.h"
#include "common/crypto/seal.h"
#include "common/repository/types.h"
#include "common/storage/storage.h"

namespace holdfast::repository {

class KeyCache;

struct InitOptions {
  std::string user = {};  // stands in the key file
  std::string host = {};
  // Price of trying a password. Unset: N=32768, r=8 and p from 3 to 5, whichever takes about 400 ms
  // here. Only tests have a reason to set something cheaper.
  std::optional<crypto::ScryptParameters> scrypt = std::nullopt;
};

// What `config` says.
struct Config {
  int version = 2;
  std::string id;                  // 64 hexadecimal digits
  std::string chunker_polynomial;  // hexadecimal; restic's own chunker needs it, ours does not
};

// Where a blob lies.
struct BlobLocation {
  Id pack;
  std::uint32_t offset = 0;        // bytes from the pack's start
  std::uint32_t length = 0;        // sealed bytes
  std::uint32_t plain_length = 0;  // bytes of the plaintext
  bool compressed = false;
};

// One pack as an index knows it.
struct PackContents {
  struct Blob {
    Id id;
    BlobType type = BlobType::kData;
    std::uint32_t offset = 0;
    std::uint32_t length = 0;        // sealed bytes
    std::uint32_t plain_length = 0;  // bytes of the plaintext
    bool compressed = false;
    bool operator==(const Blob&) const = default;
  };
  Id id;
  std::vector<Blob> blobs;
};

// A pack's entry for the blob that lies at `location`, and back.
inline PackContents::Blob EntryOf(BlobType type, const Id& id, const BlobLocation& location) {
  return {.id = id,
          .type = type,
          .offset = location.offset,
          .length = location.length,
          .plain_length = location.plain_length,
          .compressed = location.compressed};
}
inline BlobLocation LocationOf(const Id& pack, const PackContents::Blob& blob) {
  return {pack, blob.offset, blob.length, blob.plain_length, blob.compressed};
}

struct OpenOptions {
  Compression compression = Compression::kAuto;
  // Each new blob is opened and compared with its plaintext before it goes into a pack, so that bad
  // memory or a bad library shows at the backup and not at the restore.
  bool verify_blobs = true;
  // Where opened keys are remembered and looked for; null: nowhere. Needed by Open() alone.
  KeyCache* keys = nullptr;
  // Directory of this machine where the index may be kept between runs; empty: nowhere. What lies
  // there, and what it can do: index_cache.h.
  std::string index_cache = {};
};

// How many threads shall work on a storage's blobs at once: one for each core where the processor
// is the limit; where it is the way to the storage, as many as there may be connections, up to 16.
unsigned ThreadsFor(const Storage& storage);
// The same where each thread reads and holds little: two for each core, up to 16, at least, since
// some of them wait for the disk.
unsigned ReadThreadsFor(const Storage& storage);

// Safe to use from several threads once the index was loaded; what has to do with locks, before,
// too.
class Repository {
 public:
  virtual ~Repository() = default;

  // Makes a new repository: key, then config. kAlreadyExists when a config, a key or a snapshot is
  // there already.
  static Result<Config> Init(Storage& storage, const Secret& password, const InitOptions& options,
                             Random& random, const Clock& clock);
  // Opens key and config. kNotFound: no repository there; kDenied: no key opens with the password;
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
  // The key file that opened it.
  virtual const Id& key() const = 0;
  // The content of a key file that opens this repository with `password`; not stored yet.
  virtual Result<Bytes> MakeKey(const Secret& password, const InitOptions& options) = 0;
  // Whether a key file opens this very repository with `password`. kCorrupt for one that is broken.
  virtual Result<bool> IsOpenedBy(ByteView key_file, const Secret& password) = 0;
  // Secret of this repository for the content chunker's table, the same for all who hold its key.
  virtual const std::array<std::uint8_t, 32>& chunker_key() const = 0;

  // Reads all index files; again to see what others added or took away. Who lists snapshots lists
  // them before. kCorrupt names a bad index file; then nothing of it was taken in. What came from
  // a cache is read from the repository now.
  virtual Result<void> LoadIndex(std::stop_token stop) = 0;
  // The same, but what the cache has is taken from there: for who adds to a repository. Who
  // restores from it or looks for damage wants what is really there.
  virtual Result<void> LoadIndexWithCache(std::stop_token stop) = 0;
  // Writes the index in memory to the cache, if there is one and that pays. Errors are the cache's
  // alone; a backup is as good without it.
  virtual Result<void> SaveIndexCache() = 0;
  virtual std::optional<BlobLocation> Find(BlobType type, const Id& id) const = 0;
  // All places of one blob, the first that of Find(); empty: it is in no pack.
  virtual std::vector<BlobLocation> FindAll(BlobType type, const Id& id) const = 0;
  // How many blobs the index in memory has.
  virtual std::size_t BlobCount() const = 0;
  // The blob's place in the order of ForEachBlob(), of its first one if it lies in several packs;
  // as long as LoadIndex() is not called; what SaveIndex() adds comes after all others.
  virtual std::optional<std::size_t> BlobNumber(BlobType type, const Id& id) const = 0;
  // What the index takes of memory, in bytes.
  virtual std::size_t IndexMemory() const = 0;
  // Every blob of the index, in no order, one that lies in two packs twice; stops at the visitor's
  // first error. The visitor must not call LoadIndex() or SaveIndex().
  virtual Result<void> ForEachBlob(
      const std::function<Result<void>(BlobType, const Id&, const BlobLocation&)>& visit) const = 0;
  // The same with BlobNumber() of each.
  virtual Result<void> ForEachNumberedBlob(
      const std::function<Result<void>(std::size_t, BlobType, const Id&, const BlobLocation&)>&
          visit) const = 0;
  // The blob's plaintext, its hash verified; from another pack if the first has it damaged.
  // kNotFound: not in the index; kCorrupt names the pack.
  virtual Result<Bytes> LoadBlob(BlobType type, const Id& id) = 0;
  // The same in pieces, for a blob too large to be in memory as it is: its sealed bytes are, twice
  // they are opened, and `visit` is called the second time, when the hash is known to be right. Its
  // error ends the call.
  virtual Result<void> StreamBlob(BlobType type, const Id& id,
                                  const std::function<Result<void>(ByteView)>& visit) = 0;
  // The plaintext of a blob whose sealed bytes the caller has read, e.g. while checking a whole
  // pack; its hash verified. kCorrupt. REQUIRES: sealed.size() == location.length.
  virtual Result<Bytes> OpenBlob(BlobType type, const Id& id, const BlobLocation& location,
                                 ByteView sealed) = 0;
  // Seals and opens with the repository's key; one for each thread that has much to do.
  virtual crypto::Sealer NewSealer() = 0;
  // The same with a key derived from it, of `label`: for files that never go into the repository,
  // so that nothing can be put there that was not made for it.
  virtual crypto::Sealer NewLocalSealer(std::string_view label) = 0;
  // Writes one index file about `packs`, while `permit` says so, and takes them into the index in
  // memory. REQUIRES: the packs are durable.
  virtual Result<Id> SaveIndex(std::span<const PackContents> packs, const Permit& permit = {}) = 0;

  // A sealed JSON file (index, snapshot, lock): hash of the name verified, opened, decompressed.
  // kNotFound; kCorrupt names the file.
  virtual Result<Bytes> LoadSealed(FileKind kind, const Id& id) = 0;
  // The same, from memory where this object has loaded it so before: for lists of snapshots and
  // locks, which every backup makes several times over.
  virtual Result<Bytes> LoadSealedOnce(FileKind kind, const Id& id) = 0;
  // Seals and stores; returns the name. The same JSON gives another name each time.
  virtual Result<Id> SaveSealed(FileKind kind, ByteView json) = 0;
  // The two halves of SaveSealed, for who must write exactly the same file again after a crash.
  virtual Result<Bytes> SealFile(FileKind kind, ByteView json) = 0;
  virtual Result<Id> StoreSealed(FileKind kind, ByteView sealed, const Permit& permit = {}) = 0;
  // The JSON of a file that SealFile() made. kCorrupt when this repository's key does not open it.
  virtual Result<Bytes> OpenSealed(ByteView sealed) = 0;
};

}  // namespace holdfast::repository
