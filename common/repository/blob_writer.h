// Stores blobs: each once, in packs of about 16 MiB, data and trees apart, and their index.
#pragma once

#include <cstdint>
#include <memory>

#include "common/base/bytes.h"
#include "common/base/result.h"
#include "common/repository/repository.h"

namespace holdfast::repository {

struct BlobStatistics {
  std::uint64_t data_blobs = 0;  // newly stored
  std::uint64_t tree_blobs = 0;
  std::uint64_t bytes_added = 0;   // plaintext bytes of newly stored blobs
  std::uint64_t bytes_packed = 0;  // what they take in the storage, headers included
};

// One writer per part; not safe to use from several threads at once. Dropped without Finish() it
// leaves packs that no index names, which are garbage and nothing else.
class BlobWriter {
 public:
  virtual ~BlobWriter() = default;
  static std::unique_ptr<BlobWriter> Begin(Repository& repository);
  // The blob's id. Nothing is stored when the repository or this writer has it already. The blob
  // can be loaded through the Repository only after Finish().
  virtual Result<Id> Save(BlobType type, ByteView plaintext) = 0;
  // Whether Save() of it would store nothing.
  virtual bool Has(BlobType type, const Id& id) const = 0;
  // Everything saved is durable and indexed, also in the Repository's index in memory.
  virtual Result<BlobStatistics> Finish() = 0;
};

}  // namespace holdfast::repository
