// The index of a repository as it was last held in memory, kept in a file of this machine, so that
// an index of ten million blobs is there in a second and not only when all its files were read.
//
// What may be asked of it. The file is made from index files and never the other way round: it can
// be removed at any time. Index files never change and are named after their content, and the cache
// says which of them it was made from: as long as these are all there it is right, and what came
// since is read on top; when one of them is gone the cache is of no use and is not used. So an old
// copy that somebody puts back does no harm. All of it is sealed with a key that is derived from
// the repository's own for nothing else: who can read the file learns how many blobs there are
// about, who can write it can do no more than take it away, and a file of another repository, of
// another version, cut off, or damaged anywhere is as good as none. Restore, check, prune and
// repair never look at it.
//
// Layout: "holdfast index 1", the sealed head, and sealed pieces: the ids of the index files, those
// of the packs, the entries in the order of BlobIndex::ForEachEntry(). A piece says to which file
// it belongs and which one it is.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>

#include "common/base/clock.h"
#include "common/base/random.h"
#include "common/base/result.h"
#include "common/crypto/seal.h"
#include "common/io/fd.h"
#include "common/repository/blob_index.h"
#include "common/repository/types.h"

namespace holdfast::repository {

// One thread at a time.
class IndexCache {
 public:
  // What an index file's worth of reading is compared with.
  struct Covered {
    std::size_t files = 0;
    std::size_t blobs = 0;
  };

  // In `directory`, whose parent must exist when something is to be kept. `repository` is the id in
  // its config, `master` its key.
  IndexCache(std::string directory, const std::string& repository, const crypto::SealKey& master,
             Random& random);

  struct Loaded {
    std::set<Id> files;  // what the index is made of
    BlobIndex index;
  };
  // nullopt when there is none that can be used, whatever the reason, and when it is made of a file
  // that is not among `listed`.
  std::optional<Loaded> Load(const std::set<Id>& listed);
  // Whether it pays to write the cache anew, given what is in memory and what the cache has, which
  // Load() or Save() have found: the time that reading the rest takes is to be more than a small
  // part of the time that writing all takes, and small repositories need none.
  bool Pays(std::size_t files, std::size_t blobs) const;
  // Replaces the cache, at once. False when there can be none: the directory or the one above it is
  // somebody else's, or another process is writing it. kNoSpace when it would take more than half
  // of the space that is left. Removes caches that nobody has used for thirty days by `now`.
  Result<bool> Save(const BlobIndex& index, const std::set<Id>& files, WallTime now);

 private:
  struct Head;
  class Reader;
  class Writer;
  Result<std::optional<Loaded>> TryLoad(const std::set<Id>& listed);

  const std::string directory_;
  const std::string name_;  // of the file in it
  const Id repository_;
  const crypto::SealKey key_;
  Random& random_;
  Covered covered_;
};

}  // namespace holdfast::repository
