// Turns a stream of items into a part: packs, index and a tree, durable but not yet visible.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/bytes.h"
#include "common/base/clock.h"
#include "common/base/result.h"
#include "common/repository/store/blob_writer.h"
#include "common/repository/store/repository.h"
#include "common/stream/item.h"
#include "common/stream/progress.h"
#include "common/stream/snapshot_view.h"

namespace holdfast::repository {

class ResumeLog;

struct PartStatistics {
  std::uint64_t files_new = 0;
  std::uint64_t files_changed = 0;
  std::uint64_t files_unmodified = 0;
  std::uint64_t directories_new = 0;
  std::uint64_t directories_changed = 0;
  std::uint64_t directories_unmodified = 0;
  std::uint64_t items = 0;
  std::uint64_t bytes_processed = 0;  // content of all files, reused ones included
  std::uint64_t bytes_read = 0;       // content that was actually read
  BlobStatistics blobs;
};

struct LeftOut {
  std::string path;
  Error error;
};

// What one backup task stores in the repository. Nothing refers to it until it is composed.
struct Part {
  Id tree;  // the snapshot's top directory, with the content of this part only
  PartStatistics statistics;
  std::vector<LeftOut> left_out;     // items that were not required and could not be read
  std::vector<std::string> changed;  // paths whose content changed while it was read
};

struct PartOptions {
  const Lock* lock = nullptr;                             // as in BlobWriter::Begin
  std::optional<Compression> compression = std::nullopt;  // likewise
  KnownBlobs known = KnownBlobs::kTrust;                  // likewise
  ResumeLog* resume = nullptr;       // has marked the items, and records what is read; may be null
  SnapshotView* previous = nullptr;  // for Reuse and for the statistics; may be null
  Progress* progress = nullptr;      // may be null
};

// Not thread-safe. Reads on the caller's thread; other threads make the blobs (see BlobWriter), so
// a later call may return an item's error. Memory is bounded by the largest directory.
class PartWriter {
 public:
  virtual ~PartWriter() = default;
  static std::unique_ptr<PartWriter> Begin(Repository& repository, const PartOptions& options);
  // Reads all of the item's content and stores it. Errors are the repository's, or those of reading
  // a required item (then While("read \"path\"")). kInvalidArgument for a bad path.
  virtual Result<void> Add(Item item) = 0;
  // The part so far, without its tree; valid until the next call. Waits for pending blobs.
  virtual Result<const Part*> part() = 0;
  // Adds one of Holdfast's own files at the top, readable only by its owner. It does not count as
  // an item. kInternal if the name exists.
  virtual Result<void> AddOwnFile(std::string_view name, ByteView content, WallTime time) = 0;
  // On success, everything is durable, but not yet visible.
  virtual Result<Part> Finish() = 0;
};

}  // namespace holdfast::repository
