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
#include "agent/sources/restore_method.h"
#include "common/base/clock.h"
#include "common/base/random.h"
#include "common/base/result.h"
#include "common/config/schema.h"
#include "common/config/snapshot_kind.h"
#include "common/stream/item.h"
#include "common/stream/manifest.h"
#include "common/stream/original_path.h"
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
  // Then: live paths that the restore has staged. They are no part of the service.
  std::vector<std::string> staged = {};
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

class Source {
 public:
  virtual ~Source() = default;
  // Looks at the service and changes nothing. An error only when nothing can be said at all; a
  // service that is down is `healthy = false`, or kUnavailable naming the endpoint.
  virtual Result<SourceInfo> Probe(std::stop_token stop) = 0;
  virtual Result<std::unique_ptr<BackupSession>> OpenBackup(const BackupSpec& spec) = 0;
};

// All that other rooms know of a kind.
struct SourceKind {
  std::string kind;
  Topology topology = Topology::kLocal;
  std::vector<BackupScope> scopes = {BackupScope::kWhole};  // that OpenBackup() takes
  std::string summary;                                      // one line for --help
  config::Schema options;                                   // beside kind, name, repository
  // The directory of a snapshot below which it has files under their absolute path; kAnyNode in it
  // stands for each node.
  std::string original_root{kMembersRoot};
  // How snapshots are restored, besides to a directory. At most one is an InPlaceRestore.
  std::vector<RestoreMethod> restore_methods = {};
  // Why there is no InPlaceRestore, e.g. "its brokers hold one state together".
  std::string no_in_place = {};
  std::function<Result<std::unique_ptr<Source>>(const SourceContext&, const config::Values&)> open;
  // Whether a process is a service of this kind, for `source list --discover`: once for each
  // service, however many processes it has. Reads what the process itself reads, and asks nobody.
  // Empty: the kind has no process of its own.
  std::function<std::optional<DiscoveredSource>(const host::LocalProcess&, const host::Places&)>
      discover = nullptr;

  bool HasScope(BackupScope scope) const;
  // Null if the kind has no such method.
  const RestoreMethod* FindMethod(std::string_view name) const;
  const RestoreMethod* InPlaceMethod() const;
  // What the methods declare, in the order of the list.
  std::vector<config::MethodSchema> MethodSchemas() const;
  // What command lines and documentation say about its snapshots.
  config::SnapshotKind AsSnapshotKind() const;
};

}  // namespace holdfast
