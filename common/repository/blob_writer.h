// Stores blobs: each once, in packs of about 16 MiB, data and trees apart, and their index.
#pragma once

#include <cstdint>
#include <memory>

#include "common/base/bytes.h"
#include "common/base/result.h"
#include "common/repository/repository.h"

namespace holdfast::repository {

class Lock;

struct BlobStatistics {
  std::uint64_t data_blobs = 0;  // newly stored
  std::uint64_t tree_blobs = 0;
  std::uint64_t bytes_added = 0;   // plaintext bytes of newly stored blobs
  std::uint64_t bytes_packed = 0;  // what they take in the storage, headers included
};

// One writer per part; not safe to use from several threads at once. Holds three packs in memory.
// An index file is written every 50,000 blobs or every minute, so that what an interrupted backup
// stored is found by the next one; dropped without Finish(), packs after the last index file are
// garbage and nothing else.
class BlobWriter {
 public:
  virtual ~BlobWriter() = default;
  // `lock` is asked before each write whether it is still held, so that a prune that took over
  // never meets our packs; both it and the repository must outlive the writer. Null: the caller
  // answers for that itself. REQUIRES: repository.LoadIndex() has returned.
  static std::unique_ptr<BlobWriter> Begin(Repository& repository, const Lock* lock);
  // The blob's id. Nothing is stored when the repository or this writer has it already. The blob
  // can be loaded through the Repository only after Finish(). kInvalidArgument for a blob that is
  // empty or larger than kBlobBytesMax; kTimedOut when the lock was lost. After an error the writer
  // is of no more use.
  virtual Result<Id> Save(BlobType type, ByteView plaintext) = 0;
  // Whether Save() of it would store nothing.
  virtual bool Has(BlobType type, const Id& id) const = 0;
  // So far; bytes_packed counts whole packs only.
  virtual const BlobStatistics& statistics() const = 0;
  // Everything saved is durable and indexed, also in the Repository's index in memory. REQUIRES:
  // not called before.
  virtual Result<BlobStatistics> Finish() = 0;
};

}  // namespace holdfast::repository
