// Turns a stream of items into a part: packs, index and a tree, durable but not visible.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/bytes.h"
#include "common/base/clock.h"
#include "common/base/result.h"
#include "common/repository/blob_writer.h"
#include "common/repository/repository.h"
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
  std::uint64_t bytes_read = 0;       // content that was really read
  BlobStatistics blobs;
};

struct LeftOut {
  std::string path;
  Error error;
};

// What one backup task leaves in the repository; nothing refers to it until it is composed.
struct Part {
  Id tree;  // the snapshot's top directory, as far as this part knows it
  PartStatistics statistics;
  std::vector<LeftOut> left_out;     // not required and not readable
  std::vector<std::string> changed;  // paths whose content changed while it was read
};

struct PartOptions {
  const Lock* lock = nullptr;                             // as in BlobWriter::Begin
  std::optional<Compression> compression = std::nullopt;  // likewise
  KnownBlobs known = KnownBlobs::kTrust;                  // likewise
  ResumeLog* resume = nullptr;       // has marked the items; what is read goes into it; may be null
  SnapshotView* previous = nullptr;  // for Reuse and for the statistics; may be null
  Progress* progress = nullptr;      // may be null
};

// Not safe to use from several threads at once. Reads on the caller's thread and lets others make
// the blobs (see BlobWriter), so an item's error may come from a later call. Memory is bounded by
// the largest directory.
class PartWriter {
 public:
  virtual ~PartWriter() = default;
  static std::unique_ptr<PartWriter> Begin(Repository& repository, const PartOptions& options);
  // Reads the item's content to its end and stores it. An error is the repository's, or that of a
  // required item's content (then While("read \"path\"")). kInvalidArgument for a bad path.
  virtual Result<void> Add(Item item) = 0;
  // The part so far, all but its tree; valid until the next call. Waits for what is on its way.
  virtual Result<const Part*> part() = 0;
  // Adds a file of Holdfast's own at the top, which is none of the source's items and counts as
  // none. Readable by its owner alone. kInternal when there is something of that name.
  virtual Result<void> AddOwnFile(std::string_view name, ByteView content, WallTime time) = 0;
  // Everything is durable; nothing is visible yet.
  virtual Result<Part> Finish() = 0;
};

}  // namespace holdfast::repository
