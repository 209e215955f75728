// A repository in restic's format, version 2, which stock restic can read and write
// (docs/repository-format.md). Crash safety follows from the order of writes: packs, then the
// index, then the snapshot.
//
// This room implements restic's format and everything that opens, changes or checks a repository.
// It knows storages and items, but no kind of source. Each folder includes only folders
// listed before it:
//   format/    encodings: ids, packs, index files, tree blobs, chunks, compression
//   store/     Repository (Keys, SealedFiles, Index, BlobStore), BlobWriter, Lock
//   tree/      saves and restores directory trees and the content of files
//   snapshot/  writes (PartWriter, Composer), lists, reads and extracts snapshots
//   maintain/  CheckRepository, prune, repairs, copies
//   archive/   a snapshot as one tar file
#pragma once

#include <memory>

#include "common/base/clock.h"
#include "common/base/random.h"
#include "common/base/result.h"
#include "common/base/secret.h"
#include "common/repository/format/repository_options.h"
#include "common/repository/store/blob_store.h"
#include "common/repository/store/index.h"
#include "common/repository/store/key_file.h"
#include "common/repository/store/keys.h"
#include "common/repository/store/sealed_files.h"
#include "common/storage/storage.h"

namespace holdfast::repository {

// Safe to use from several threads. Functions that need one part take that part.
class Repository final {
 public:
  // Creates a repository: key, then config. kAlreadyExists if a config, key or snapshot exists.
  static Result<Config> Init(Storage& storage, const Secret& password, const InitOptions& options,
                             Random& random, const Clock& clock);
  // Opens key and config. kNotFound: no repository; kDenied: the password opens no key;
  // kUnsupported: format version 1 or unknown. `clock` and `random` must outlive the repository.
  static Result<std::unique_ptr<Repository>> Open(std::unique_ptr<Storage> storage,
                                                  const Secret& password,
                                                  const OpenOptions& options, Random& random,
                                                  const Clock& clock);
  // For Open(), with what it has read.
  Repository(std::unique_ptr<Storage> storage, const OpenedKey& key, Config config,
             const OpenOptions& options, Random& random, const Clock& clock);

  Storage& storage() { return *storage_; }
  const Config& config() const { return config_; }
  const OpenOptions& options() const { return options_; }
  Random& random() { return random_; }
  const Clock& clock() const { return clock_; }
  const Keys& keys() const { return keys_; }
  SealedFiles& files() { return files_; }
  Index& index() { return index_; }
  BlobStore& blobs() { return blobs_; }

 private:
  const std::unique_ptr<Storage> storage_;
  const Config config_;
  const OpenOptions options_;
  Random& random_;
  const Clock& clock_;
  const Keys keys_;
  SealedFiles files_;
  Index index_;
  BlobStore blobs_;
};

}  // namespace holdfast::repository
