// Stores each blob once, in indexed packs of about 16 MiB that are separate for data and trees.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <vector>

#include "common/base/bytes.h"
#include "common/base/result.h"
#include "common/repository/store/repository.h"

namespace holdfast::repository {

class Lock;

struct BlobStatistics {
  std::uint64_t data_blobs = 0;  // newly stored
  std::uint64_t tree_blobs = 0;
  std::uint64_t bytes_added = 0;     // plaintext bytes of newly stored blobs
  std::uint64_t bytes_packed = 0;    // their size in the storage, including pack headers
  std::uint64_t blobs_repaired = 0;  // of these, those that the index had but no pack had intact
};

// How far blobs that the index already has are trusted.
enum class KnownBlobs : std::uint8_t {
  kTrust,
  kVerify,  // loads each once, and stores it again if it is damaged; takes a bit per blob
};

// Bytes that stay valid as long as someone holds `owner`.
struct SharedBytes {
  ByteView bytes;
  std::shared_ptr<const void> owner;
};

// The ids of pending blobs, in the order in which the blobs were handed over. One thread owns this
// object, hands over blobs and takes the ids; other threads fill them in.
class BlobIds {
 public:
  // Whether every blob that was handed over has its id.
  bool is_complete() const { return left_.load(std::memory_order_acquire) == 0; }
  // REQUIRES: is_complete().
  std::vector<Id> Take();

  // For the writer: Expect() adds a place for an id, and Fill() sets it, on any thread.
  Id& Expect();
  void Fill(Id& place, const Id& id);

 private:
  std::deque<Id> ids_;  // does not move elements when it grows
  std::atomic<std::uint64_t> left_{0};
};

// One writer per part; call it from one thread at a time. Once SaveLater() has received enough to
// be worth it, one thread per core hashes, compresses, seals and packs the blobs, and other threads
// write full packs to the storage. Memory: an open pack for each of these threads and two more, and
// the packs being written. Packs are indexed from time to time (IndexSchedule), so that the next
// backup finds what an interrupted one has stored. Without Finish(), the packs after the last index
// file are garbage, which is harmless.
class BlobWriter {
 public:
  virtual ~BlobWriter() = default;
  // Before each write, checks that `lock` is still held, so that no pack is written during a later
  // prune. If it is null, the caller ensures that. `lock` and `repository` must outlive the writer.
  // An unset `compression` is the repository's. REQUIRES: Index::Load() has returned.
  static std::unique_ptr<BlobWriter> Begin(Repository& repository, const Lock* lock,
                                           std::optional<Compression> compression = std::nullopt,
                                           KnownBlobs known = KnownBlobs::kTrust);
  // Returns the blob's id. Stores nothing if the repository or this writer already has the blob. It
  // can be loaded through the Repository only after Finish(). kInvalidArgument for a blob that is
  // empty or larger than kBlobBytesMax; kTimedOut if the lock was lost. After an error the writer
  // can no longer be used.
  virtual Result<Id> Save(BlobType type, ByteView plaintext) = 0;
  // The same for a data blob, but its id is delivered later, to `ids` (may be null), and a later
  // call may return its error. Waits while too many blobs are pending. Small blobs are handed to
  // other threads in batches.
  virtual Result<void> SaveLater(SharedBytes plaintext, std::shared_ptr<BlobIds> ids) = 0;
  // Hands over an incomplete batch. Call it before waiting for memory that the batch still uses.
  virtual void Flush() = 0;
  // Waits until `ids` is complete.
  virtual Result<void> WaitFor(const BlobIds& ids) = 0;
  // Whether Save() of this blob would store nothing.
  virtual bool Has(BlobType type, const Id& id) const = 0;
  // So far; bytes_packed counts only complete packs.
  virtual BlobStatistics statistics() const = 0;
  // On success, everything saved is durable and indexed, also in the Repository's index in memory.
  // REQUIRES: not called before.
  virtual Result<BlobStatistics> Finish() = 0;
};

}  // namespace holdfast::repository
