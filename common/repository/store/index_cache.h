// Caches a repository's index in a local file, so that an index of ten million blobs loads in a
// second, without reading all index files.
//
// The cache is made from index files, never the other way round, and can be removed at any time.
// Index files never change and are named after their content, and the cache lists those it was made
// from. While all of these exist, it is right, and newer index files are read in addition. If one
// of them is gone, the cache is not used; so putting back an old copy does no harm. Everything is
// sealed with a key derived from the repository's key only for this purpose. An attacker who can
// read the file learns roughly how many blobs there are; one who can write it can only disable the
// cache. A file of another repository or version, or one that is truncated or damaged, is ignored.
// Restore, check, prune and repair never use the cache.
//
// Layout: "holdfast index 1", the sealed head, and sealed pieces: the ids of the index files, the
// ids of the packs, and the entries in the order of BlobTable::ForEachEntry(). Each piece contains
// the nonce of its file and its own number.
#pragma once

#include <optional>
#include <set>
#include <string>

#include "common/base/clock.h"
#include "common/base/random.h"
#include "common/base/result.h"
#include "common/crypto/seal.h"
#include "common/io/fd.h"
#include "common/repository/format/types.h"
#include "common/repository/store/blob_table.h"

namespace holdfast::repository {

// Used by one thread at a time.
class IndexCache {
 public:
  // What the cache covers, for Pays().
  struct Covered {
    std::size_t files = 0;
    std::size_t blobs = 0;
  };

  // The cache is a file in `directory`, whose parent must exist for Save(). `repository` is the id
  // in the repository's config, `master` its key.
  IndexCache(std::string directory, const std::string& repository, const crypto::SealKey& master,
             Random& random);

  struct Loaded {
    std::set<Id> files;  // the index files that it was made from
    BlobTable table;
  };
  // nullopt if there is no usable cache, for whatever reason, or if it was made from a file that is
  // not in `listed`.
  std::optional<Loaded> Load(const std::set<Id>& listed);
  // Whether the cache is worth writing again, given what is in memory and what the cache has had
  // since Load() or Save(). Reading the rest must take more than a small part of the time for
  // writing everything. Small repositories need no cache.
  bool Pays(std::size_t files, std::size_t blobs) const;
  // Replaces the cache atomically. False if the directory or its parent belongs to another user, or
  // if another process is writing the cache. kNoSpace if it would take more than half of the free
  // space. Removes caches that were not used in the thirty days before `now`.
  Result<bool> Save(const BlobTable& table, const std::set<Id>& files, WallTime now);

 private:
  struct Head;
  class Reader;
  class Writer;
  Result<std::optional<Loaded>> TryLoad(const std::set<Id>& listed);

  const std::string directory_;
  const std::string name_;  // of the file in `directory_`
  const Id repository_;
  const crypto::SealKey key_;
  Random& random_;
  Covered covered_;
};

}  // namespace holdfast::repository
