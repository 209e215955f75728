// A service whose state can be backed up and restored, e.g. an etcd cluster. Sources know nothing
// about repositories: they produce items, and read from a SnapshotView.
//
// A new kind needs one folder here and an entry in registry/, tests and pages
// (docs/adding-a-source.md).
//
// This room holds the kinds of services, one folder each. Start with this header and
// restore_method.h, the contract of all kinds. host/ reads the host, member/ holds code that
// several kinds share, registry/ lists the kinds. The room must not know repositories, storages or
// orders, and no kind knows another one.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/sources/discovered_source.h"
#include "agent/sources/host/process.h"
#include "agent/sources/restore_method.h"
#include "common/base/backup_scope.h"
#include "common/base/clock.h"
#include "common/base/protocol_words.h"
#include "common/base/random.h"
#include "common/base/result.h"
#include "common/config/schema.h"
#include "common/config/snapshot_kind.h"
#include "common/stream/item.h"
#include "common/stream/manifest.h"
#include "common/stream/original_path.h"
#include "common/stream/snapshot_view.h"

namespace holdfast {

// The environment of a source. Everything referred to outlives the source.
struct SourceContext {
  std::string kind;
  std::string name;
  std::string node;       // this host's name in the cluster
  std::string cluster;    // may be empty
  std::string state_dir;  // private scratch space that survives restarts
  const Clock* clock = nullptr;
  Random* random = nullptr;
  host::Places places;  // where to look for running services and their files
};

// The result of Probe().
struct SourceInfo {
  std::map<std::string, std::string> identity;  // as in Manifest
  std::vector<std::map<std::string, std::string>> members;
  bool healthy = false;
  std::string health;                   // in words, e.g. "2 of 3 members answer"
  std::vector<std::string> would_save;  // paths and other objects, one per line
  std::vector<Missing> missing;         // what a backup now would miss
  std::vector<std::string> warnings;
};

struct BackupSpec {
  SnapshotView* previous = nullptr;  // this source's newest good snapshot; null for the first
  BackupScope scope = BackupScope::kWhole;  // REQUIRES: the kind supports it
  // Only for kRest and kRestWithData: the parts of this source that the run has saved so far, each
  // as a snapshot.
  std::vector<SnapshotView*> others;
  // A restore follows at once. What is missing may be the reason for it, so it is no error.
  bool before_restore = false;
  // With before_restore: live paths that the restore has staged. They do not belong to the service.
  std::vector<std::string> staged;
};

// One consistent view of the service. The destructor releases whatever holds it (open files,
// connections, temporary files). Used by one thread at a time.
class BackupSession {
 public:
  virtual ~BackupSession() = default;
  // Connects, checks permissions, and pins files that may vanish by opening them.
  virtual Result<void> Prepare(std::stop_token stop) = 0;
  // Fixes the position. Fast, so that a whole run can cut at once. REQUIRES: Prepare() succeeded.
  virtual Result<void> Cut() = 0;
  // Items depth-first (see Item); nullopt at the end. With kLead and kShards, a shard that cannot
  // be read completely is a warning, and the task of the rest saves it again. If two parts have the
  // same file, the composer takes its whole directory from the rest if the rest has it, otherwise
  // from either part. REQUIRES: Cut() succeeded, and the caller has read the new content of all
  // earlier items to the end, or to an error if the item is not required.
  virtual Result<std::optional<Item>> Next() = 0;
  // The manifest of this part: identity, members, position, endpoint, method, consistency,
  // checksums, details, missing, warnings. With kMember it has no position, but it has identity and
  // health as far as the service answers: BackupSpec::scope, not the manifest, says what a part
  // has. REQUIRES: Next() returned nullopt and every item was read.
  virtual Result<Manifest> Finish() = 0;
  // Total bytes that Next() will return; 0 if unknown. Called after Cut() and after each Next(),
  // which may improve the estimate.
  virtual std::uint64_t bytes_total() const { return 0; }
};

class Source {
 public:
  virtual ~Source() = default;
  // Inspects the service and changes nothing. Fails only if nothing can be said at all. If the
  // service is down, either `healthy` is false or the error is kUnavailable and names the endpoint.
  virtual Result<SourceInfo> Probe(std::stop_token stop) = 0;
  virtual Result<std::unique_ptr<BackupSession>> OpenBackup(const BackupSpec& spec) = 0;
};

// Everything that the rest of the program knows about a kind.
struct SourceKind {
  std::string kind;
  Topology topology = Topology::kLocal;
  std::string summary;     // one line for --help
  config::Schema options;  // besides kind, name, repository
  // The directory of a snapshot that has files under their absolute paths. kAnyNode in it stands
  // for the name of each node.
  std::string original_root{kMembersRoot};
  // Restore methods besides --to; the registry adds them. At most one is an InPlaceRestore.
  std::vector<RestoreMethod> restore_methods;
  // Why there is no InPlaceRestore, e.g. "its brokers hold one state together".
  std::string no_in_place;
  std::function<Result<std::unique_ptr<Source>>(const SourceContext&, const config::Values&)> open;
  // For `source list --discover`: describes the service if `process` belongs to one of this kind.
  // Returns each service only once, however many processes it has. Reads what the process itself
  // reads, and does not contact the service. Empty: services of this kind have no process.
  std::function<std::optional<DiscoveredSource>(const host::LocalProcess&, const host::Places&)>
      discover = nullptr;

  // Whether OpenBackup() accepts `scope`.
  bool HasScope(BackupScope scope) const;
  // Null if the kind has no such method.
  const RestoreMethod* FindMethod(std::string_view name) const;
  const RestoreMethod* InPlaceMethod() const;
  // The schemas of the methods, in the order of the list.
  std::vector<config::MethodSchema> MethodSchemas() const;
  // What command lines and documentation say about its snapshots.
  config::SnapshotKind AsSnapshotKind() const;
};

// For SourceKind::open: a `SourceType` with the settings that `kReadSettings` reads.
template <typename SourceType, auto kReadSettings>
Result<std::unique_ptr<Source>> OpenWithSettings(const SourceContext& context,
                                                 const config::Values& values) {
  HF_ASSIGN(auto settings, kReadSettings(values));
  return std::make_unique<SourceType>(context, std::move(settings));
}

}  // namespace holdfast
