// Puts a snapshot back: to a directory, or by one of the restore methods of its kind.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "agent/jobs/backup_job.h"
#include "agent/jobs/job_context.h"
#include "agent/jobs/repository_session.h"
#include "common/config/schema.h"
#include "common/repository/snapshot_reader.h"
#include "common/stream/snapshot_view.h"

namespace holdfast::jobs {

enum class RestoreMode : std::uint8_t {
  kDirectory,  // wherever a person at this node says
  kStaging,    // below a root that the node's policy names
  kInPlace,
  kMethod,  // by a one-shot method of the kind
};

struct RestoreOptions {
  std::string selector = {};  // as FindSnapshot takes it
  RestoreMode mode = RestoreMode::kDirectory;
  // kInPlace: that the service's own checker refuses the content is a warning, not an error.
  bool allow_invalid = false;
  // kInPlace: `selector` names a source or a safety snapshot, see FindSafetySnapshot().
  bool undo = false;
  // "kind/name" that the snapshot must be of, itself or as a safety snapshot; empty: any.
  std::string source = {};
  std::string root = {};       // kStaging: absolute, and there
  std::string directory = {};  // kDirectory: absolute; kStaging: relative to the root
  // kDirectory, kStaging, kInPlace: only this path of the snapshot; empty: all.
  std::string path = {};
  // kDirectory: only what these select, see repository::PathFilter; and what becomes of what lies
  // in the directory. Unset: it must be new or empty, or hold what an unfinished restore of the
  // same left, which is resumed.
  // A pattern that selects nothing is kNotFound.
  std::vector<std::string> include = {};
  std::vector<std::string> exclude = {};
  std::optional<Overwrite> overwrite = std::nullopt;
  bool remove_others = false;  // with `overwrite`
  std::uint32_t strip = 0;     // kDirectory: leading components to leave out, see StrippedPrefix()
  // Changes nothing. kDirectory tells `on_change` what would be; kInPlace and kMethod report it as
  // `plan`.
  bool dry_run = false;
  std::function<Result<void>(const ExtractChange&)> on_change = nullptr;
  bool safety_snapshot = true;  // kInPlace, kMethod
  // kMethod: the method's name, e.g. "to-cluster"; empty: the options choose it.
  std::string method = {};
  // The method's options as given: "stage_data_dir" -> text; lists have several.
  config::OptionTexts kind_options = {};
  config::Values fixed_options = {};   // read already; none of them may be in `kind_options`
  std::string working_directory = {};  // relative paths in kind_options are relative to it
};

// A dry run in place keeps no more of what would change.
inline constexpr std::size_t kPlanMax = 10'000;

// JSON: docs/json.md#restore.
struct RestoreReport {
  std::string run;
  TaskState state = TaskState::kFailed;
  std::optional<Error> error;
  bool began = false;  // whether anything was written
  std::string repository;
  std::string snapshot;
  std::string kind;  // empty for snapshots that Holdfast did not make
  std::string name;
  bool is_safety = false;  // a safety snapshot was restored
  std::string directory;   // kDirectory, kStaging: absolute
  std::uint64_t items = 0;
  std::uint64_t bytes = 0;
  // kDirectory, kStaging: as ExtractOutcome has them.
  std::uint64_t unchanged = 0;
  std::uint64_t skipped = 0;
  std::uint64_t removed = 0;
  bool dry_run = false;  // and so all of these are what would be
  bool resumed = false;  // an unfinished restore was resumed
  PhaseSeconds seconds;
  std::vector<std::string> warnings;
  std::vector<std::string> changes;  // kInPlace: what is different now
  std::vector<std::string> lines;    // kMethod, and kInPlace of a dry run: for the operator
  std::vector<PlannedChange> plan;   // likewise, of a dry run: the first kPlanMax
  std::uint64_t plan_count = 0;      // how many there are
  std::optional<BackupTaskReport> safety_snapshot;
  bool rolled_back = false;  // kInPlace: a step failed, and all is as it was before
  std::string recovered;     // see SourceSession
};

// `repositories` are where the snapshot is looked for; it must be in exactly one of them.
RestoreReport RunRestore(const JobContext& context,
                         const std::vector<RepositoryAddress>& repositories,
                         const RestoreOptions& options);

}  // namespace holdfast::jobs
