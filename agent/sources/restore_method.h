// Restore methods: the ways to restore snapshots of a kind besides extracting them to a directory
// (--to). registry/restore_methods.h lists them. Command lines, policy.yaml and messages are
// generated from that list.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "agent/sources/in_place_rule.h"
#include "common/base/result.h"
#include "common/config/schema.h"
#include "common/filetree/swap_set.h"
#include "common/stream/progress.h"
#include "common/stream/snapshot_view.h"
#include "common/stream/untrusted_view.h"

namespace holdfast {

class Source;
struct SourceContext;

// The journal of a restore in place: each record is durable before the step that it announces.
// Implemented by agent/journal, passed in by the restore job.
class SwapJournal {
 public:
  virtual ~SwapJournal() = default;
  // Replaces the recorded state with `state` (JSON, defined by the session). Durable on return.
  virtual Result<void> Record(std::string_view state) = 0;
};

// One thing that a restore creates or changes.
struct PlannedChange {
  std::string what;    // "topic", "group", "file"
  std::string name;    // in the snapshot; in place: the live path
  std::string target;  // its name or place after the restore
  std::uint64_t parts = 0;
  std::uint64_t items = 0;
  std::uint64_t bytes = 0;
  std::string there;   // its current state, in words
  std::string action;  // what happens to it, in words
};
using ChangeVisitor = std::function<Result<void>(const PlannedChange&)>;

// A restore in place. The job calls each step once, in this order. If a step from Stage() to
// Verify() fails, it calls Rollback(). The destructor removes what was staged but not swapped.
class RestoreSession {
 public:
  virtual ~RestoreSession() = default;
  // Checks permissions, space, mount points and the service's state. Changes nothing.
  virtual Result<void> Preflight(std::stop_token stop) = 0;
  // Replaces all later steps in a dry run. Reports what Swap() would change, and fails as
  // Validate() would if the service's own checker can check the new state without staging. Changes
  // nothing. Returns further lines for the report.
  virtual Result<std::vector<std::string>> Preview(const ChangeVisitor& visit,
                                                   std::stop_token stop) = 0;
  // Writes the new state beside the live one.
  virtual Result<void> Stage(Progress& progress, std::stop_token stop) = 0;
  // The paths that Stage() created beside the live ones. The safety snapshot leaves them out.
  virtual std::vector<std::string> StagedPaths() const = 0;
  // Checks the staged state, with the service's own tool if there is one.
  virtual Result<void> Validate(std::stop_token stop) = 0;
  // Exchanges live and staged state under the journal, and makes the service load the new one.
  virtual Result<void> Swap(std::stop_token stop) = 0;
  // Checks that the service runs with the new state.
  virtual Result<void> Verify(std::stop_token stop) = 0;
  // Removes the old state. After this, Rollback() is impossible.
  virtual Result<void> Commit() = 0;
  // Undoes Swap(). Harmless if nothing was swapped.
  virtual Result<void> Rollback() = 0;
  // What was changed, in words, for the report.
  virtual std::vector<std::string> Changes() const = 0;
};

// What a one-shot restore did.
struct MethodOutcome {
  std::vector<std::string> lines;  // for the operator
  std::vector<std::string> warnings;
  std::vector<PlannedChange> plan;  // of a dry run
  bool resumed = false;             // an unfinished restore was resumed
  // What could not be restored, if everything else was.
  std::optional<Error> partly = std::nullopt;
};

// Parameters of a restore in place. Everything referred to outlives the session.
struct InPlaceSpec {
  // Anyone may have written the snapshot. The session changes only paths that an InPlaceRule of
  // `policy` and the node's own configuration allows, and reports what else the snapshot has.
  UntrustedView* snapshot = nullptr;
  SwapJournal* journal = nullptr;
  config::Values options;  // checked against RestoreMethod::options
  InPlacePolicy policy;
  // Only this path of the snapshot, which must exist, e.g. "data/etc/hosts": nothing else is
  // replaced, removed or created. Empty: everything that the snapshot has of the live state.
  std::string path;
  // Content that the service's own checker refuses is a warning, not an error.
  bool allow_invalid = false;
  // Do not remove what the snapshot does not have.
  bool keep_others = false;
};

// Replaces the live state of the source with that of the snapshot, step by step under a journal.
struct InPlaceRestore {
  // `settings` are the source's options in agent.yaml.
  std::function<Result<std::unique_ptr<RestoreSession>>(
      const SourceContext& context, const config::Values& settings, const InPlaceSpec& spec)>
      open;
  // After a crash: undoes the restore that `state`, the last record in the journal, describes, or
  // finishes it if its commit has begun (common/filetree/swap_set.h). Idempotent.
  std::function<Result<filetree::Recovery>(const SourceContext& context, std::string_view state)>
      recover;
};

// Parameters of a one-shot restore.
struct RestoreSpec {
  SnapshotView* snapshot = nullptr;
  config::Values options;  // checked against RestoreMethod::options
  // Change nothing, and report what would change. REQUIRES: RestoreMethod::has_dry_run.
  bool dry_run = false;
  // Takes a safety snapshot of `source` before its state is removed, and returns the snapshot's id.
  // An incomplete snapshot is an error. REQUIRES: `source` reads exactly what is about to be
  // removed. Empty if the operator declined, or if RestoreNeeds::safety_snapshot is false.
  std::function<Result<std::string>(std::unique_ptr<Source> source)> save_first = nullptr;
};

// Restores somewhere other than the live source, or into it through its API. The same command, run
// again, continues an interrupted restore.
struct OneShotRestore {
  // `settings` are the source's options in agent.yaml, empty if the source is not configured here.
  std::function<Result<MethodOutcome>(const SourceContext& context, const config::Values& settings,
                                      const RestoreSpec& spec, Progress& progress,
                                      std::stop_token stop)>
      run;
};

struct RestoreNeeds {
  // The source must be configured in agent.yaml. If false, the method also restores snapshots of
  // sources that are not configured, and uses the options of configured ones as defaults.
  bool source_settings = false;
  // The method may take a safety snapshot before it replaces or removes something. It then needs
  // agent.yaml with a repository, unless the operator gives --no-safety-snapshot.
  bool safety_snapshot = false;
};

struct RestoreMethod {
  // The flag without "--": "in-place", "to-cluster". If the flag takes a value, `options` has a
  // required option of this name (with underscores), which selects the method.
  std::string name;
  std::string summary;  // one line for --help
  // Of this method only. An option that two methods of a kind share has the same type in both.
  config::Schema options;
  RestoreNeeds needs;
  bool has_dry_run = false;
  std::variant<InPlaceRestore, OneShotRestore> open;
};

inline constexpr std::string_view kInPlaceName = "in-place";

}  // namespace holdfast
