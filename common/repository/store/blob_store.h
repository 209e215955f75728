// Loads a repository's blobs from its packs. This class must not know trees or snapshots, nor how
// blobs are written (blob_writer.h).
#pragma once

#include <functional>
#include <memory>

#include "common/base/bytes.h"
#include "common/base/raw_buffer.h"
#include "common/base/result.h"
#include "common/crypto/seal.h"
#include "common/repository/format/compressor.h"
#include "common/repository/format/pack_contents.h"
#include "common/repository/format/types.h"
#include "common/repository/store/index.h"
#include "common/repository/store/keys.h"
#include "common/repository/store/object_pool.h"
#include "common/storage/storage.h"

namespace holdfast::repository {

using VisitBytes = std::function<Result<void>(ByteView)>;

// Finds nothing before Index::Load() is called. Safe to use from several threads.
class BlobStore {
 public:
  // All must outlive the object.
  BlobStore(Storage& storage, const Keys& keys, const Index& index)
      : storage_(storage), keys_(keys), index_(index) {}

  // The index that lists the blobs.
  const Index& index() const { return index_; }
  // Where a blob that a tree refers to is stored. kCorrupt, with a hint, if it is in no pack.
  Result<BlobLocation> Locate(BlobType type, const Id& id) const;
  // The blob's plaintext, with verified hash; from another pack if the first copy cannot be loaded.
  // kNotFound: not in the index; kCorrupt names the pack.
  Result<Bytes> Load(BlobType type, const Id& id);
  // The same for a blob that a tree or snapshot refers to. Its absence is damage: kCorrupt, with a
  // hint.
  Result<Bytes> LoadNeeded(BlobType type, const Id& id);
  // Load() in pieces, for a blob whose plaintext is too large for memory. The sealed bytes are in
  // memory and are decrypted twice: first to verify the hash, then for `visit`, whose error ends
  // the call.
  Result<void> Stream(BlobType type, const Id& id, const VisitBytes& visit);
  // Decrypts a blob whose sealed bytes the caller has read, e.g. while checking a whole pack, and
  // verifies its hash. kCorrupt. REQUIRES: sealed.size() == location.length.
  Result<Bytes> Open(const Id& id, const BlobLocation& location, ByteView sealed);

 private:
  struct Tools {
    crypto::Sealer sealer;
    Decompressor decompressor{};
    RawBuffer frame{};  // scratch
  };
  using LoadCopy = std::function<Result<Bytes>(const BlobLocation& location, Bytes sealed)>;

  // Calls `load` with the sealed bytes of each copy of the blob until one succeeds.
  Result<Bytes> LoadFromAny(BlobType type, const Id& id, const LoadCopy& load);
  Result<void> OpenInPieces(const BlobLocation& location, ByteView sealed, const VisitBytes& visit);

  Storage& storage_;
  const Keys& keys_;
  const Index& index_;
  ObjectPool<Tools> tools_{[this] { return std::make_unique<Tools>(keys_.NewSealer()); }};
};

}  // namespace holdfast::repository
