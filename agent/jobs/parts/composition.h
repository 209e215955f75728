// The last steps of every backup: durable parts become one snapshot, which is then read back.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "agent/jobs/session/job_context.h"
#include "agent/jobs/session/repository_session.h"
#include "common/base/clock.h"
#include "common/repository/snapshot/composer.h"
#include "common/repository/snapshot/part_writer.h"
#include "common/repository/snapshot/snapshot_info.h"
#include "common/stream/manifest.h"

namespace holdfast::jobs {

// Identifies a snapshot in a repository, together with context.run.
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
  bool was_there = false;  // it already existed; nothing was written
  Manifest manifest;
  SnapshotCounts counts;
};

// Persists the sealed bytes of a snapshot before it becomes visible. Sealing the same snapshot
// twice gives two files with two ids. After a crash the recorded bytes are written again, so at
// most one snapshot becomes visible. One journal belongs to one order.
class SealedJournal {
 public:
  virtual ~SealedJournal() = default;
  // Returns what was last recorded, possibly by an earlier process. nullopt: nothing yet.
  virtual Result<std::optional<Bytes>> Recorded() = 0;
  // Called before each attempt to write the bytes. Durable on return; may block until it is.
  // `composed` is what will be reported.
  virtual Result<void> Record(const ComposedSnapshot& composed, ByteView sealed) = 0;
};

// The time until which the write of a snapshot may start. Checked against two clocks: the monotonic
// one stops while the machine sleeps, and the wall clock may be set back.
class PutDeadline {
 public:
  PutDeadline(const Clock& clock, WallTime time);
  // kTimedOut once either clock has passed it.
  Result<void> Check() const;

 private:
  const Clock& clock_;
  WallTime time_;
  Instant steady_;
};

// Prevents creating a snapshot twice.
struct PutOnce {
  SealedJournal& journal;
  PutDeadline deadline;
  bool began = false;  // a write was started, so the snapshot may exist despite an error
};

// The parts and the metadata of a snapshot.
struct Composition {
  SnapshotSlot slot;
  std::vector<repository::Part> parts;
  Manifest manifest;  // complete
  bool is_partial = false;
  std::optional<repository::Id> parent;
  WallTime time;
  std::string leave_out;  // as ComposeOptions::leave_out
  repository::SameFile same_file = repository::SameFile::kRefuse;
};

// Returns the newest backup of the source, to compare with; never a safety snapshot. For sharded
// sources, complete backups are preferred, because partial ones do not have all shards. Null if
// there are no backups. For the slot of a safety snapshot, returns a backup of its source.
const repository::SnapshotInfo* FindPrevious(const std::vector<repository::SnapshotInfo>& snapshots,
                                             const SnapshotSlot& slot, Topology topology);

// Returns the run's snapshot of the source from `snapshots`, or nullopt if it does not exist yet.
// REQUIRES: the index was loaded after they were listed.
Result<std::optional<ComposedSnapshot>> FindComposed(
    const JobContext& context, RepositorySession& repository, const SnapshotSlot& slot,
    const std::vector<repository::SnapshotInfo>& snapshots);

// Writes the journaled snapshot again and reads it back; nullopt if the journal is empty. Fails
// with kCorrupt, without writing, if the journaled snapshot is not of this run and source, or if
// the repository has lost data of it. REQUIRES: as above, and FindComposed() found nothing.
Result<std::optional<ComposedSnapshot>> RepeatRecorded(const JobContext& context,
                                                       RepositorySession& session,
                                                       const SnapshotSlot& slot, PutOnce& once);

// Makes the snapshot visible. With `once`, retries a write that failed with kUnavailable until the
// deadline. Null: one attempt, which is not repeated after a crash.
Result<repository::Id> WriteSnapshot(const JobContext& context, RepositorySession& session,
                                     const Composition& composition, PutOnce* once);

// Reads snapshot file, top directory and manifest back from the storage. A backup counts only then.
// Ignores stop requests, because the snapshot is already visible.
Result<ComposedSnapshot> ReadBack(const JobContext& context, RepositorySession& repository,
                                  const repository::Id& snapshot);

}  // namespace holdfast::jobs
