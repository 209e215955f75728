// A repository's small sealed files: index files, snapshots and locks. This class must not know
// what their JSON means.
#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "common/base/bytes.h"
#include "common/base/result.h"
#include "common/crypto/seal.h"
#include "common/repository/format/compressor.h"
#include "common/repository/format/types.h"
#include "common/repository/store/keys.h"
#include "common/repository/store/object_pool.h"
#include "common/storage/storage.h"

namespace holdfast::repository {

// Each file is compressed JSON, sealed with the repository's key, and its name is the hash of the
// sealed bytes. Safe to use from several threads.
class SealedFiles {
 public:
  // Both must outlive the object.
  SealedFiles(Storage& storage, const Keys& keys) : storage_(storage), keys_(keys) {}

  // The ids of all files of a kind, in no particular order.
  Result<std::vector<Id>> List(FileKind kind);
  // Loads a file: verifies the hash in its name, decrypts and decompresses it. kNotFound; kCorrupt
  // names the file.
  Result<Bytes> Load(FileKind kind, const Id& id);
  // The same, but cached in memory, for snapshots and locks: every backup lists them several times.
  Result<Bytes> LoadCached(FileKind kind, const Id& id);
  // Seals and stores a file; returns its id. The same JSON gets a different id each time.
  Result<Id> Save(FileKind kind, ByteView json) { return Store(kind, Seal(json)); }
  // The two halves of Save(), for callers that must rewrite the same file after a crash. Store()
  // writes while `permit` allows it.
  Bytes Seal(ByteView json);
  Result<Id> Store(FileKind kind, ByteView sealed, const Permit& permit = {});
  // Opens what Seal() returned. kCorrupt if this repository's key does not open it.
  Result<Bytes> Open(ByteView sealed);

 private:
  struct Tools {
    crypto::Sealer sealer;
    Compressor compressor{Compression::kAuto};
    Decompressor decompressor{};
  };

  Storage& storage_;
  const Keys& keys_;
  ObjectPool<Tools> tools_{[this] { return std::make_unique<Tools>(keys_.NewSealer()); }};
  std::mutex cache_mutex_;
  std::map<Id, Bytes> cache_;  // of LoadCached(); guarded by cache_mutex_
  std::size_t cache_bytes_ = 0;
};

}  // namespace holdfast::repository
