// One backup of one source, as a sequence of steps. Standalone commands run them one after another;
// the daemon runs them from several threads and may wait between them.
//
// - Prepare(): opens and locks source and repository, and contacts the service. No position is
//   fixed yet.
// - Cut(): fixes the position.
// - Save(): makes the part durable but not visible, and releases the source's lock.
// - Compose(): turns the part into a snapshot. The daemon calls TakePart() instead: compose_job.h
//   composes it, alone or with the parts of other nodes.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/jobs/parts/composition.h"
#include "agent/jobs/session/job_context.h"
#include "agent/jobs/session/repository_session.h"
#include "agent/jobs/session/source_session.h"
#include "common/repository/snapshot/part_writer.h"
#include "common/stream/manifest.h"

namespace holdfast::jobs {

// Outcome of one source. JSON: docs/json.md#backup.
struct BackupTaskReport {
  std::string kind;
  std::string name;
  std::string repository;
  TaskOutcome state = TaskOutcome::kFailed;
  std::optional<Error> error;        // unless done or partly done
  bool is_repository_error = false;  // affects every source of the repository
  bool began = false;                // the source was cut, so a backup had begun
  std::string recovered;             // see SourceSession

  std::string snapshot;  // id; empty without one
  std::string host;      // of that snapshot, like the next two
  WallTime time;
  bool is_partial = false;
  std::string parent;  // the previous snapshot that it was compared with
  Manifest manifest;   // as stored in the snapshot
  // Of the snapshot. Without one, `items` and `bytes` are those of the saved part.
  SnapshotCounts counts;
  std::uint64_t bytes_read = 0;      // content actually read from the source
  std::uint64_t blobs_repaired = 0;  // with rehash: blobs that were damaged or missing
  PhaseSeconds seconds;
  std::vector<std::string> warnings;

  std::string label() const { return kind + "/" + name; }
};

// What Save() stored in the repository.
struct SavedPart {
  std::string node;
  repository::Id tree;
  BackupScope scope = BackupScope::kWhole;
  Manifest manifest;  // of this part only; `parts` has one entry
  std::uint64_t items = 0;
  std::uint64_t bytes = 0;
  std::uint64_t bytes_read = 0;
  std::uint64_t bytes_added = 0;
  std::uint64_t bytes_stored = 0;
  std::vector<std::string> warnings;
};

// Holds the repository's lock, so that no prune removes a part that no snapshot refers to yet. Keep
// it until the part is composed or abandoned. Destruction releases the lock.
struct HeldPart {
  std::unique_ptr<RepositorySession> repository;
};

struct BackupTaskOptions {
  const SourceSettings* settings = nullptr;
  std::string note;
  // Reads everything again, ignoring the previous snapshot. Verifies blobs that the index lists
  // instead of trusting them, and stores damaged ones again.
  bool rehash = false;
  bool before_restore = false;      // see BackupSpec
  std::vector<std::string> staged;  // likewise
  BackupScope scope = BackupScope::kWhole;
  // A part of the source that the run has already saved. For kRest and kRestWithData, `others`
  // lists all such parts.
  struct OtherPart {
    std::string node;
    repository::Id tree;
  };
  std::vector<OtherPart> others;
  // Compose() follows immediately. False: the part gets a part.json and waits to be composed.
  bool compose = true;
  // Already open and locked; owned by the caller. Null: the task opens its own.
  SourceSession* source = nullptr;
  RepositorySession* repository = nullptr;
};

// Used by one thread at a time, not necessarily the same one; progress() is safe from any thread.
// Call each step once, after the previous one succeeded. context.stop ends a step with kCancelled.
// The destructor releases all locks.
class BackupTask {
 public:
  // Everything that options and context refer to must outlive the task. Registers with the
  // observer.
  BackupTask(JobContext context, BackupTaskOptions options);
  ~BackupTask();
  BackupTask(const BackupTask&) = delete;
  BackupTask& operator=(const BackupTask&) = delete;

  // kBusy names the holder of the source or repository. kUnsupported: the kind does not support the
  // scope. kCorrupt: another part does not belong to this run and source.
  Result<void> Prepare();
  // Returns the cut time.
  Result<WallTime> Cut();
  Result<void> Save();
  // REQUIRES: Save() succeeded.
  const SavedPart& saved() const { return saved_; }
  // Creates the snapshot and reads it back. REQUIRES: options.compose.
  Result<ComposedSnapshot> Compose();
  // Returns the lock to hold until the part is composed. REQUIRES: not options.compose; Save()
  // succeeded; the task opened its own repository.
  HeldPart TakePart();

  const Progress& progress() const { return progress_.progress(); }
  // The complete report, including the outcome of the last step. REQUIRES: called once, last.
  BackupTaskReport TakeReport(const Result<void>& outcome);

 private:
  Result<void> Open();
  Result<void> OpenPrevious(const std::vector<repository::SnapshotInfo>& snapshots);
  Result<void> OpenOthers();
  void BeginResumeLog();
  void EndResumeLog();
  Result<repository::Part> SavePart();
  void CompleteManifest(const repository::Part& part);
  Result<void> AddRecord(repository::PartWriter& writer,
                         const repository::PartStatistics& statistics);
  void TakeStatistics(const repository::Part& part);

  const JobContext context_;
  const BackupTaskOptions options_;
  ObservedProgress progress_;
  PhaseTimer timer_;
  SnapshotSlot slot_;
  WallTime begin_;
  std::unique_ptr<RepositorySession> own_repository_;
  RepositorySession* repository_ = nullptr;
  std::unique_ptr<SourceSession> own_source_;
  SourceSession* source_ = nullptr;
  std::unique_ptr<SnapshotView> previous_view_;
  std::vector<std::unique_ptr<SnapshotView>> other_views_;
  std::optional<repository::Id> parent_;
  std::unique_ptr<repository::ResumeLog> resume_;  // may be null
  std::unique_ptr<BackupSession> session_;         // destroyed first: it uses the members above
  repository::Part part_;
  bool is_partial_ = false;
  SavedPart saved_;
  BackupTaskReport report_;
};

}  // namespace holdfast::jobs
