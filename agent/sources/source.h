// One service whose state can be saved and put back, e.g. an etcd cluster. Sources know nothing of
// repositories: they give items away and take them from a SnapshotView.
//
// A new kind is one folder here, one line in all_sources.cc, one contract test and one page
// (docs/adding-a-source.md).
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "agent/sources/discovery.h"
#include "agent/sources/host/process.h"
#include "common/base/clock.h"
#include "common/base/random.h"
#include "common/base/result.h"
#include "common/config/schema.h"
#include "common/stream/item.h"
#include "common/stream/manifest.h"
#include "common/stream/progress.h"
#include "common/stream/snapshot_view.h"

namespace holdfast {

enum class Topology : std::uint8_t { kLocal, kReplicated, kSharded };
std::string_view TopologyName(Topology topology);  // "local", "replicated", "sharded"

// What every source is told of its surroundings. Everything referred to outlives the source.
struct SourceContext {
  std::string kind;
  std::string name;
  std::string node;       // this host's name in the cluster
  std::string cluster;    // may be empty
  std::string state_dir;  // private scratch space that survives restarts
  const Clock* clock = nullptr;
  Random* random = nullptr;
};

// What Probe() finds out.
struct SourceInfo {
  std::map<std::string, std::string> identity;  // as in Manifest
  std::vector<std::map<std::string, std::string>> members;
  bool healthy = false;
  std::string health;                   // in words, e.g. "2 of 3 members answer"
  std::vector<std::string> would_save;  // paths and things, one a line
  std::vector<Missing> missing;         // what a backup now would not have
  std::vector<std::string> warnings;
};

// What a session is to save. Of a replicated source one member saves the whole, every other one
// what nobody else has. Of a sharded one each node saves the shards that it is nearest to, and when
// all have done so, one of them what is left.
enum class BackupScope : std::uint8_t {
  kWhole,   // the service's state, and what only this member has
  kMember,  // only what just this member has: all of it lies below "members/<node>/"
  kLead,    // the shards nearest to this node, what belongs to no shard, and what only it has
  kShards,  // the same without what belongs to no shard; at least one other node has kLead
  kRest,    // of the service's state what `others` lack, and nothing below "members/"
};

struct BackupSpec {
  SnapshotView* previous = nullptr;  // this source's newest good snapshot; null for the first
  BackupScope scope = BackupScope::kWhole;  // REQUIRES: the kind declares it
  // kRest: what the run has of this source so far, each as a snapshot of its own.
  std::vector<SnapshotView*> others = {};
  // For a restore that follows at once: what is missing may be why, and is no reason to refuse.
  bool before_restore = false;
};

// One consistent view of the service. The destructor gives back whatever holds it (open files,
// connections, temporary files). Used by one thread at a time.
class BackupSession {
 public:
  virtual ~BackupSession() = default;
  // Connects, checks rights, opens and pins what may vanish.
  virtual Result<void> Prepare(std::stop_token stop) = 0;
  // Fixes the position; short, so that a whole run can cut at once. REQUIRES: Prepare() succeeded.
  virtual Result<void> Cut() = 0;
  // Items depth-first (see Item); nullopt: no more. A shard that cannot be read whole is a warning
  // for kLead and kShards, and kRest's to save again; where two parts have a file of the same path,
  // its directory is kRest's, else either's. REQUIRES: Cut() succeeded; new content that came
  // before was read to its end, or to an error where the item is not required.
  virtual Result<std::optional<Item>> Next() = 0;
  // What the manifest says of this part: identity, members, position, endpoint, method,
  // consistency, checksums, details, missing, warnings. Of kMember it has no position, but identity
  // and health all the same, as far as the service answers. REQUIRES: Next() returned nullopt and
  // every item was read.
  virtual Result<Manifest> Finish() = 0;
  // Bytes that Next() will give in all, 0 where unknown. Asked after Cut() and after each Next(),
  // by which it may have become better known.
  virtual std::uint64_t bytes_total() const { return 0; }
};

// Records of a restore in place, durable before the step they announce; the journal's half of the
// contract. Implemented by agent/journal, handed in by the restore job.
class SwapJournal {
 public:
  virtual ~SwapJournal() = default;
  // Replaces the recorded state by `state` (JSON, the session's own). Durable on return.
  virtual Result<void> Record(std::string_view state) = 0;
};

class Source;

struct RestoreSpec {
  SnapshotView* snapshot = nullptr;
  SwapJournal* journal = nullptr;  // of a restore in place
  // Options given to the verb, checked against SourceKind::restore_options.
  config::Values options;
  // In place: that the service's own checker refuses the content is a warning, not an error.
  bool allow_invalid = false;
  // In place: what the snapshot does not have stays where it is.
  bool keep_others = false;
  // Of a kind's own way: change nothing, and say what would be.
  // REQUIRES: SourceKind::has_dry_restore.
  bool dry_run = false;
  // Of a kind's own way that takes something away: saves what is there before, whole, as a snapshot
  // of a source of this kind whose name the caller makes up, and returns that snapshot's id. The
  // source is opened on what is about to go and on nothing else. Empty: the operator wants none.
  std::function<Result<std::string>(std::unique_ptr<Source> source)> save_first = nullptr;
};

// One thing that a kind's own restore makes or changes.
struct PlannedChange {
  std::string what = {};    // "topic", "group"
  std::string name = {};    // in the snapshot
  std::string target = {};  // what it is called then
  std::uint64_t parts = 0;
  std::uint64_t items = 0;
  std::uint64_t bytes = 0;
  std::string there = {};   // what is there now, in words
  std::string action = {};  // what becomes of it, in words
};

// What became of a kind's own restore.
struct SpecialRestore {
  std::vector<std::string> lines = {};  // for the operator
  std::vector<std::string> warnings = {};
  std::vector<PlannedChange> plan = {};  // of a dry run
  bool resumed = false;                  // an unfinished restore was gone on with
  // What could not be done, although all the rest is.
  std::optional<Error> partly = std::nullopt;
};

// Restore in place. Each step is called once, in this order; after a failure of Swap() or Verify(),
// or of Validate(), the job calls Rollback(). The destructor removes what was staged and not
// swapped.
class RestoreSession {
 public:
  virtual ~RestoreSession() = default;
  // Can it be done: rights, space, mount points, the service's state. Changes nothing.
  virtual Result<void> Preflight(std::stop_token stop) = 0;
  // Puts the new state beside the live one.
  virtual Result<void> Stage(Progress& progress, std::stop_token stop) = 0;
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

class Source {
 public:
  virtual ~Source() = default;
  // Looks at the service and changes nothing. An error only when nothing can be said at all; a
  // service that is down is `healthy = false`, or kUnavailable naming the endpoint.
  virtual Result<SourceInfo> Probe(std::stop_token stop) = 0;
  virtual Result<std::unique_ptr<BackupSession>> OpenBackup(const BackupSpec& spec) = 0;
  // Restore in place. kUnsupported, with a hint naming the way that works, where there is none.
  virtual Result<std::unique_ptr<RestoreSession>> OpenRestore(const RestoreSpec& spec) = 0;
  // After a crash: finishes or undoes what `state`, last recorded in the journal, began. Returns
  // what it did, in words. Idempotent. kUnsupported by default: OpenRestore() is, too.
  virtual Result<std::string> RecoverRestore(std::string_view state);
  // A kind's own way of restoring beside --to and --in-place, chosen by its restore_options (e.g.
  // etcd's --stage-data-dir). kUnsupported by default.
  virtual Result<SpecialRestore> RestoreSpecial(const RestoreSpec& spec, Progress& progress,
                                                std::stop_token stop);
};

// All that other rooms know of a kind.
struct SourceKind {
  std::string kind;
  Topology topology = Topology::kLocal;
  std::vector<BackupScope> scopes = {BackupScope::kWhole};  // that OpenBackup() takes
  std::string summary;                                      // one line for --help
  config::Schema options;                                   // beside kind, name, repository
  std::vector<config::OptionSpec> restore_options;  // flags of `restore`, e.g. "stage-data-dir"
  bool has_dry_restore = false;                     // RestoreSpecial() knows RestoreSpec::dry_run
  std::function<Result<std::unique_ptr<Source>>(const SourceContext&, const config::Values&)> open;
  // Whether a process is a service of this kind, for `source list --discover`: once for each
  // service, however many processes it has. Reads what the process itself reads, and asks nobody.
  // Empty: the kind has no process of its own.
  std::function<std::optional<DiscoveredSource>(const host::LocalProcess&, const host::Places&)>
      discover = nullptr;

  bool HasScope(BackupScope scope) const;
};

}  // namespace holdfast
