// The ways in which snapshots of a kind are restored, besides extracting them to a directory
// (--to). A kind lists them in SourceKind::restore_methods. Command lines, policy.yaml and messages
// are made from that list.
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

#include "common/base/result.h"
#include "common/config/method.h"
#include "common/config/schema.h"
#include "common/stream/progress.h"
#include "common/stream/snapshot_view.h"

namespace holdfast {

class Source;
struct SourceContext;

// Records of a restore in place, durable before the step they announce; the journal's half of the
// contract. Implemented by agent/journal, handed in by the restore job.
class SwapJournal {
 public:
  virtual ~SwapJournal() = default;
  // Replaces the recorded state by `state` (JSON, the session's own). Durable on return.
  virtual Result<void> Record(std::string_view state) = 0;
};

// One thing that a restore makes or changes.
struct PlannedChange {
  std::string what = {};    // "topic", "group", "file"
  std::string name = {};    // in the snapshot; in place: the live path
  std::string target = {};  // what it is called then
  std::uint64_t parts = 0;
  std::uint64_t items = 0;
  std::uint64_t bytes = 0;
  std::string there = {};   // what is there now, in words
  std::string action = {};  // what becomes of it, in words
};
using ChangeVisitor = std::function<Result<void>(const PlannedChange&)>;

// Restore in place. Each step is called once, in this order; after a failure of Swap() or Verify(),
// or of Validate(), the job calls Rollback(). The destructor removes what was staged and not
// swapped.
class RestoreSession {
 public:
  virtual ~RestoreSession() = default;
  // Can it be done: rights, space, mount points, the service's state. Changes nothing.
  virtual Result<void> Preflight(std::stop_token stop) = 0;
  // Instead of all further steps: tells what Swap() would change, and fails as Validate() would if
  // the service's own checker can look at the new state without staging it. Changes nothing.
  // Returns what else there is to say.
  virtual Result<std::vector<std::string>> Preview(const ChangeVisitor& visit,
                                                   std::stop_token stop) = 0;
  // Puts the new state beside the live one.
  virtual Result<void> Stage(Progress& progress, std::stop_token stop) = 0;
  // The live paths that Stage() made: the safety snapshot, which comes after it, leaves them out.
  virtual std::vector<std::string> StagedPaths() const = 0;
  // Has the service's own tool look at what was staged.
  virtual Result<void> Validate(std::stop_token stop) = 0;
  // Exchanges live and staged state, under the journal, and makes the service take it.
  virtual Result<void> Swap(std::stop_token stop) = 0;
  // The service runs with the new state.
  virtual Result<void> Verify(std::stop_token stop) = 0;
  // Gives up the way back: removes the old state that was set aside.
  virtual Result<void> Commit() = 0;
  // Undoes Swap(); harmless when nothing was swapped.
  virtual Result<void> Rollback() = 0;
  // What was changed, in words, for the report.
  virtual std::vector<std::string> Changes() const = 0;
};

// What a one-shot restore did.
struct MethodOutcome {
  std::vector<std::string> lines = {};  // for the operator
  std::vector<std::string> warnings = {};
  std::vector<PlannedChange> plan = {};  // of a dry run
  bool resumed = false;                  // an unfinished restore was resumed
  // What could not be done, although all the rest is.
  std::optional<Error> partly = std::nullopt;
};

// What a restore in place is asked for. Everything referred to outlives the session.
struct InPlaceSpec {
  SnapshotView* snapshot = nullptr;
  SwapJournal* journal = nullptr;
  config::Values options = {};  // checked against RestoreMethod::options
  // Only this path of the snapshot, which it has, e.g. "data/etc/hosts": nothing else is replaced,
  // removed or made. Empty: all that the snapshot has of the live state.
  std::string path = {};
  // That the service's own checker refuses the content is a warning, not an error.
  bool allow_invalid = false;
  // What the snapshot does not have stays where it is.
  bool keep_others = false;
};

// Replaces the live state of the source by that of the snapshot, step by step under a journal.
struct InPlaceRestore {
  // `settings` are the source's options in agent.yaml.
  std::function<Result<std::unique_ptr<RestoreSession>>(
      const SourceContext& context, const config::Values& settings, const InPlaceSpec& spec)>
      open;
  // After a crash: finishes or undoes what `state`, last recorded in the journal, began. Returns
  // what it did, in words. Idempotent.
  std::function<Result<std::string>(const SourceContext& context, std::string_view state)> recover;
};

// What a one-shot restore is asked for.
struct RestoreSpec {
  SnapshotView* snapshot = nullptr;
  config::Values options = {};  // checked against RestoreMethod::options
  // Change nothing, and report what would change. REQUIRES: RestoreMethod::has_dry_run.
  bool dry_run = false;
  // Saves what exists before it is removed, whole, as a snapshot of a source of this kind whose
  // name the caller makes up, and returns that snapshot's id. The source is opened on what is about
  // to be removed and on nothing else. Empty: the operator wants none, or
  // RestoreNeeds::safety_snapshot is false.
  std::function<Result<std::string>(std::unique_ptr<Source> source)> save_first = nullptr;
};

// Restores to another place than the live source, or into it by its API. The same command continues
// a restore that was interrupted.
struct OneShotRestore {
  // `settings` are the source's options in agent.yaml, empty if the source is not configured here.
  std::function<Result<MethodOutcome>(const SourceContext& context, const config::Values& settings,
                                      const RestoreSpec& spec, Progress& progress,
                                      std::stop_token stop)>
      run;
};

struct RestoreNeeds {
  // The source must be configured in agent.yaml. Otherwise the method also restores snapshots of
  // sources that are not, and takes the source's options as defaults where they exist.
  bool source_settings = false;
  // The method may take a safety snapshot before it replaces or removes something, and so needs
  // agent.yaml with a repository, unless the operator wants none (--no-safety-snapshot).
  bool safety_snapshot = false;
};

struct RestoreMethod {
  // What the operator types as the flag: "in-place", "to-cluster". If the flag takes a value,
  // `options` has a required option of this name (with underscores), which chooses the method.
  std::string name;
  std::string summary;  // one line for --help
  // Of this method only. An option that two methods of a kind have has the same type in both.
  config::Schema options = {};
  RestoreNeeds needs = {};
  bool has_dry_run = false;
  std::variant<InPlaceRestore, OneShotRestore> open;
};

inline constexpr std::string_view kInPlaceName = "in-place";

}  // namespace holdfast
