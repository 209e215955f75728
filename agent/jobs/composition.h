// The last steps of every backup, whoever takes them: parts that are durable become one snapshot,
// and it is read back.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "agent/jobs/job_context.h"
#include "agent/jobs/repository_session.h"
#include "common/base/clock.h"
#include "common/repository/composer.h"
#include "common/repository/part_writer.h"
#include "common/repository/snapshot_reader.h"
#include "common/stream/manifest.h"

namespace holdfast::jobs {

// Which snapshot of a repository is meant: the one of `context.run`, or the one to be made.
struct SnapshotSlot {
  std::string kind;
  std::string name;
  std::string host;

  std::string path() const { return "/" + kind + "/" + name; }
};

// What a snapshot holds, as docs/glossary.md#counts defines it.
struct SnapshotCounts {
  std::uint64_t items = 0;
  std::uint64_t files = 0;
  std::uint64_t bytes = 0;
  std::uint64_t bytes_added = 0;
  std::uint64_t bytes_stored = 0;
};
SnapshotCounts CountsOf(const repository::SnapshotInfo& snapshot, const Manifest& manifest);

struct ComposedSnapshot {
  repository::Id id;
  std::optional<repository::Id> parent;
  std::string host;
  WallTime time;
  bool is_partial = false;
  bool is_invalid = false;
  bool was_there = false;  // it existed already, nothing was written
  Manifest manifest;
  SnapshotCounts counts;
};

// Remembers, for one order, the bytes of a snapshot that is about to become visible. Sealing the
// same snapshot twice gives two files with two ids; so who crashed writes exactly these again, and
// at most one becomes visible.
class SealedJournal {
 public:
  virtual ~SealedJournal() = default;
  // What was last recorded, also by a process that is gone; nullopt: nothing yet.
  virtual Result<std::optional<Bytes>> Recorded() = 0;
  // Called before the bytes are written, each time. Durable on return; may wait for whoever makes
  // it so. `composed` is what will be reported.
  virtual Result<void> Record(const ComposedSnapshot& composed, ByteView sealed) = 0;
};

// Until when the write of a snapshot may begin, by whichever of the two clocks is further: one
// stands still while the machine sleeps, the other may be set back.
class PutDeadline {
 public:
  PutDeadline(const Clock& clock, WallTime time);
  // kTimedOut once it has passed.
  Result<void> Check() const;

 private:
  const Clock& clock_;
  WallTime time_;
  Instant steady_;
};

// What keeps a snapshot from being made twice.
struct PutOnce {
  SealedJournal& journal;
  PutDeadline deadline;
  bool began = false;  // a write was begun: the snapshot may be there although an error came back
};

// The parts, and all that the snapshot says of itself.
struct Composition {
  SnapshotSlot slot;
  std::vector<repository::Part> parts;
  Manifest manifest;  // complete
  bool is_partial = false;
  std::optional<repository::Id> parent;
  WallTime time;
  std::string leave_out = {};  // as ComposeOptions::leave_out
  repository::SameFile same_file = repository::SameFile::kRefuse;
};

// The newest backup of the source, to compare with; never a safety snapshot. Of a sharded source,
// complete backups are preferred: a partial one says nothing about the shards it has not. Null
// without one. The slot of a safety snapshot yields a backup of its source.
const repository::SnapshotInfo* FindPrevious(const std::vector<repository::SnapshotInfo>& snapshots,
                                             const SnapshotSlot& slot, Topology topology);

// The run's snapshot of the source, if it is among `snapshots`: nullopt when it must still be made.
// REQUIRES: the index was loaded after they were listed.
Result<std::optional<ComposedSnapshot>> FindComposed(
    const JobContext& context, RepositorySession& repository, const SnapshotSlot& slot,
    const std::vector<repository::SnapshotInfo>& snapshots);

// Writes what the journal holds, once more, and reads it back; nullopt when it holds nothing.
// kCorrupt, and nothing is written, when it is not of this run and source or the repository has
// lost something of it. REQUIRES: as above, and FindComposed() found nothing.
Result<std::optional<ComposedSnapshot>> RepeatRecorded(const JobContext& context,
                                                       RepositorySession& session,
                                                       const SnapshotSlot& slot, PutOnce& once);

// Makes the snapshot visible. With `once`, what a storage may have written before it failed is
// written again until the deadline; null: there is one try, and nobody repeats it after a crash.
Result<repository::Id> WriteSnapshot(const JobContext& context, RepositorySession& session,
                                     const Composition& composition, PutOnce* once);

// A backup counts when it has been read back: snapshot file, top directory and manifest come from
// the storage again. A stop no longer matters, the snapshot is visible.
Result<ComposedSnapshot> ReadBack(const JobContext& context, RepositorySession& repository,
                                  const repository::Id& snapshot);

}  // namespace holdfast::jobs
