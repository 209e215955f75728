// One backup of one source, in steps that its caller drives: the standalone verbs one after the
// other, a daemon from its threads and with waits between.
//
// - Prepare(): source and repository are locked and open, the service is asked, nothing is fixed
//   yet.
// - Cut(): the position is fixed.
// - Save(): the part is durable, nothing is visible; the source's lock is given back.
// - Compose(): the part becomes a snapshot; or TakePart(), when it waits for others'.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/jobs/composition.h"
#include "agent/jobs/job_context.h"
#include "agent/jobs/repository_session.h"
#include "agent/jobs/source_session.h"
#include "common/repository/part_writer.h"
#include "common/stream/manifest.h"

namespace holdfast::jobs {

// What became of one source. JSON: docs/json.md#backup.
struct BackupTaskReport {
  std::string kind;
  std::string name;
  std::string repository;
  TaskState state = TaskState::kFailed;
  std::optional<Error> error;        // unless done or partly done
  bool is_repository_error = false;  // it is in the way of every source of the repository
  bool began = false;                // whether the source was cut, so that something had begun
  std::string recovered;             // see SourceSession

  std::string snapshot;  // id; empty without one
  std::string host;      // of that snapshot, like the next two
  WallTime time;
  bool is_partial = false;
  std::string parent;  // the previous snapshot it was compared with
  Manifest manifest;   // as it stands in the snapshot
  // Of the snapshot; without one, `items` and `bytes` are those of the part that was saved.
  SnapshotCounts counts;
  std::uint64_t bytes_read = 0;    // of the source's content, really read
  std::uint64_t blobs_mended = 0;  // with rehash: that were damaged or gone in the repository
  PhaseSeconds seconds;
  std::vector<std::string> warnings;

  std::string label() const { return kind + "/" + name; }
};

// What Save() left in the repository.
struct SavedPart {
  std::string node;
  repository::Id tree;
  bool has_data = false;  // what one part of a snapshot has: the whole, or what belongs to no shard
  bool is_rest = false;
  Manifest manifest;  // of this part alone; `parts` has this one
  std::uint64_t items = 0;
  std::uint64_t bytes = 0;
  std::uint64_t bytes_read = 0;
  std::uint64_t bytes_added = 0;
  std::uint64_t bytes_stored = 0;
  std::vector<std::string> warnings;
};

// Keeps the repository's lock, so that no prune takes a part that nothing refers to yet. Held until
// the part is composed or given up; going out of scope gives the lock back.
struct HeldPart {
  std::unique_ptr<RepositorySession> repository;
};

struct BackupTaskOptions {
  const SourceSettings* settings = nullptr;
  std::string note = {};
  // Reads everything anew, believes neither the previous snapshot nor what the index says is there,
  // and stores what is damaged again.
  bool rehash = false;
  bool before_restore = false;           // see BackupSpec
  std::vector<std::string> staged = {};  // likewise
  BackupScope scope = BackupScope::kWhole;
  // A part that the run has of the source already. kRest: all of them.
  struct OtherPart {
    std::string node;
    repository::Id tree;
  };
  std::vector<OtherPart> others = {};
  // Compose() follows in the same breath. False: the part gets a part.json, and waits for whoever
  // composes it.
  bool compose = true;
  // Open and locked already, by the caller, who keeps them; null: the task opens its own.
  SourceSession* source = nullptr;
  RepositorySession* repository = nullptr;
};

// Used by one thread at a time, not necessarily the same; progress() by any. Every step is called
// once and requires that the one before succeeded; context.stop ends each of them with kCancelled.
// The destructor gives back whatever is held.
class BackupTask {
 public:
  // What options and context refer to outlives the task. Shows itself to the observer from now on.
  BackupTask(JobContext context, BackupTaskOptions options);
  ~BackupTask();
  BackupTask(const BackupTask&) = delete;
  BackupTask& operator=(const BackupTask&) = delete;

  // kBusy names who holds the source or the repository; kUnsupported: the kind does not know the
  // scope; kCorrupt: another part is none of this run and source.
  Result<void> Prepare();
  // When it cut.
  Result<WallTime> Cut();
  Result<void> Save();
  // REQUIRES: Save() succeeded.
  const SavedPart& saved() const { return saved_; }
  // Makes the snapshot and reads it back. REQUIRES: options.compose.
  Result<ComposedSnapshot> Compose();
  // What must be kept until the part is composed. REQUIRES: not options.compose; Save() succeeded;
  // the task opened its own repository.
  HeldPart TakePart();

  const Progress& progress() const { return progress_.progress(); }
  // The whole story, with how the last step ended. REQUIRES: called once, last.
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
  std::unique_ptr<repository::ResumeLog> resume_;  // null where there is none
  std::unique_ptr<BackupSession> session_;         // goes first: it uses what stands above
  repository::Part part_;
  bool has_data_ = false;
  bool is_partial_ = false;
  SavedPart saved_;
  BackupTaskReport report_;
};

}  // namespace holdfast::jobs
