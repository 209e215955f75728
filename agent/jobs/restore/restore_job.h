// Restores a snapshot: to a directory, or with a restore method of its kind.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "agent/jobs/backup/backup_job.h"
#include "agent/jobs/restore/restore_options.h"
#include "agent/jobs/session/job_context.h"
#include "agent/jobs/session/repository_session.h"

namespace holdfast::jobs {

// Maximum number of changes that the report of a dry run lists.
inline constexpr std::size_t kPlanMax = 10'000;

// JSON: docs/json.md#restore.
struct RestoreReport {
  std::string run;
  TaskOutcome state = TaskOutcome::kFailed;
  std::optional<Error> error;
  bool began = false;  // something was written
  std::string repository;
  std::string snapshot;
  std::string kind;  // empty for snapshots that Holdfast did not make
  std::string name;
  bool is_safety = false;  // a safety snapshot was restored
  std::string directory;   // kDirectory, kStaging: absolute
  std::uint64_t items = 0;
  std::uint64_t bytes = 0;
  // kDirectory, kStaging: as in ExtractOutcome.
  std::uint64_t unchanged = 0;
  std::uint64_t skipped = 0;
  std::uint64_t removed = 0;
  bool dry_run = false;  // then all counts are of planned changes
  bool resumed = false;  // an unfinished restore was resumed
  PhaseSeconds seconds;
  std::vector<std::string> warnings;
  std::vector<std::string> changes;  // kInPlace: what has changed
  std::vector<std::string> lines;    // kMethod, and dry run of kInPlace: for the operator
  std::vector<PlannedChange> plan;   // likewise, in a dry run: the first kPlanMax
  std::uint64_t plan_count = 0;      // total number of planned changes
  std::optional<BackupTaskReport> safety_snapshot;
  bool rolled_back = false;  // kInPlace: a step failed, and the previous state was restored
  std::string recovered;     // see SourceSession
};

// `repositories` are searched for the snapshot, which must be in exactly one of them. The kind's
// part of the work is in agent/sources/restore_method.h.
RestoreReport RunRestore(const JobContext& context,
                         const std::vector<RepositoryAddress>& repositories,
                         const RestoreOptions& options);

}  // namespace holdfast::jobs
