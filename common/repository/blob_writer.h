// Stores blobs: each once, in packs of about 16 MiB, data and trees apart, and their index.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <vector>

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
  std::uint64_t blobs_mended = 0;  // of the above, that the index had and no pack whole
};

// What is to be thought of a blob that the index has.
enum class KnownBlobs : std::uint8_t {
  kTrust,
  kVerify,  // it is loaded once, and stored again when that fails; takes a bit per blob
};

// Bytes that stay where they are as long as somebody has their owner.
struct SharedBytes {
  ByteView bytes;
  std::shared_ptr<const void> owner;
};

// The ids of blobs that are on their way, in the order in which they were handed over. Its owner's
// thread hands blobs over and takes the ids; others fill them in.
class BlobIds {
 public:
  // Whether every blob that was handed over with it has its id.
  bool is_complete() const { return left_.load(std::memory_order_acquire) == 0; }
  // REQUIRES: is_complete().
  std::vector<Id> Take();

  // For who hands over, and for who fills in what Expect() returned.
  Id& Expect();
  void Fill(Id& place, const Id& id);

 private:
  std::deque<Id> ids_;  // growing moves none of them
  std::atomic<std::uint64_t> left_{0};
};

// One writer per part; its calls come from one thread at a time. What is handed over by SaveLater()
// is hashed, compressed, sealed and put into packs by as many threads as the machine has cores,
// once it is enough to be worth them, and other threads write full packs to the storage meanwhile.
// Memory: an open pack for each of these threads and two more, and those that are being written.
// An index file is written every 50,000 blobs or every minute, so that what an interrupted backup
// stored is found by the next one; dropped without Finish(), packs after the last index file are
// garbage and nothing else.
class BlobWriter {
 public:
  virtual ~BlobWriter() = default;
  // `lock` is asked before each write whether it is still held, so that a prune that took over
  // never meets our packs; both it and the repository must outlive the writer. Null: the caller
  // answers for that itself. REQUIRES: repository.LoadIndex() has returned.
  // `compression` left out: the repository's.
  static std::unique_ptr<BlobWriter> Begin(Repository& repository, const Lock* lock,
                                           std::optional<Compression> compression = std::nullopt,
                                           KnownBlobs known = KnownBlobs::kTrust);
  // The blob's id. Nothing is stored when the repository or this writer has it already. The blob
  // can be loaded through the Repository only after Finish(). kInvalidArgument for a blob that is
  // empty or larger than kBlobBytesMax; kTimedOut when the lock was lost. After an error the writer
  // is of no more use.
  virtual Result<Id> Save(BlobType type, ByteView plaintext) = 0;
  // The same for a blob of data, but its id comes by and by, into `ids` (null: nobody asks), and
  // its error may come from a later call. Waits while too many are on their way. Small ones are
  // held back until they are worth another thread's attention.
  virtual Result<void> SaveLater(SharedBytes plaintext, std::shared_ptr<BlobIds> ids) = 0;
  // Hands on what is held back: to be called before waiting for memory that it still uses.
  virtual void Flush() = 0;
  // Until `ids` is complete.
  virtual Result<void> WaitFor(const BlobIds& ids) = 0;
  // Whether Save() of it would store nothing.
  virtual bool Has(BlobType type, const Id& id) const = 0;
  // So far; bytes_packed counts whole packs only.
  virtual BlobStatistics statistics() const = 0;
  // Everything saved is durable and indexed, also in the Repository's index in memory. REQUIRES:
  // not called before.
  virtual Result<BlobStatistics> Finish() = 0;
};

}  // namespace holdfast::repository
