// Lists, selects and opens snapshots.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"
#include "common/repository/store/repository.h"
#include "common/stream/snapshot_view.h"

namespace holdfast::repository {

struct SnapshotInfo {
  Id id;
  UnixTime time;
  int utc_offset_s = 0;  // of the clock that wrote it; retention policies use this local time
  std::optional<Id> parent;
  // The original of a copied or retagged snapshot.
  std::optional<Id> original;
  Id tree;
  std::vector<std::string> paths;
  std::string host;
  std::string user;
  std::uint32_t uid = 0;  // of `user`; restic writes uid and gid, Holdfast does not
  std::uint32_t gid = 0;
  std::vector<std::string> excludes;  // written only by restic
  std::vector<std::string> tags;
  std::string program_version;
  // From the summary; 0 without one. docs/glossary.md#counts defines the counts.
  std::uint64_t files = 0;
  std::uint64_t bytes_processed = 0;
  std::uint64_t bytes_added = 0;
  std::uint64_t bytes_stored = 0;

  // From the tags and the path of Holdfast's own snapshots; empty for others.
  std::string kind;
  std::string name;
  std::string run;
  std::string cluster;
  // Untrusted. Also empty if only the manifest has it: old builds wrote no tag for it.
  std::string note;
  bool is_partial = false;
  bool is_invalid = false;  // the service's own checker rejected the content
  // A safety snapshot: what a restore replaced. Not a backup: `latest`, retention and the next
  // backup ignore it.
  bool is_safety = false;

  // The source's name: `name`, for a safety snapshot without kSafetySuffix.
  std::string source_name() const;
  // Complete and valid.
  bool is_good() const { return !is_partial && !is_invalid; }
};

// Tags of Holdfast's snapshots.
inline constexpr std::string_view kPartialTag = "partial";
inline constexpr std::string_view kInvalidTag = "invalid";
inline constexpr std::string_view kSafetyTag = "safety";

// Loads one snapshot. kNotFound; kCorrupt names it.
Result<SnapshotInfo> LoadSnapshot(SealedFiles& files, const Id& id);

// What it means if a listed snapshot does not exist any more when it is read.
enum class Vanished : std::uint8_t {
  kForgotten,  // another process has forgotten it
  kError,      // kUnavailable: the caller keeps others from forgetting snapshots
};

// All snapshots by ascending time. Fails if one is unreadable; the error names it.
Result<std::vector<SnapshotInfo>> ListSnapshots(Repository& repository,
                                                Vanished vanished = Vanished::kForgotten);

// A snapshot that exists, but is damaged or out of reach.
struct UnreadableSnapshot {
  Id id;
  Error error;  // IsDamage() or IsInaccessible(); names the snapshot, and its hint says what to do
};
struct SnapshotListing {
  std::vector<SnapshotInfo> snapshots;  // by ascending time
  std::vector<UnreadableSnapshot> unreadable;
};
// The same, but unreadable snapshots do not make the call fail.
Result<SnapshotListing> ListReadableSnapshots(Repository& repository,
                                              Vanished vanished = Vanished::kForgotten);

// Which snapshots `latest` accepts besides complete and valid ones.
struct LatestRule {
  bool allow_partial = false;
  bool allow_invalid = false;
};

// Whether `latest` may choose the snapshot, unless it is a safety snapshot.
bool IsAccepted(const LatestRule& rule, const SnapshotInfo& snapshot);

// The newest snapshot of the source and host of `chosen` that `latest` would choose instead of it:
// later than `chosen`, not later than `until`. If `chosen` is a safety snapshot, the newest later
// safety snapshot, whatever the rule is. Null if no such snapshot exists.
const SnapshotInfo* FindNewer(const std::vector<SnapshotInfo>& snapshots,
                              const SnapshotInfo& chosen, const LatestRule& rule, UnixTime until);

// Finds a snapshot by "latest:kind/name[@host]", "run:<ulid>:kind/name", "latest" (of all) or the
// beginning of an id. The latest is the newest complete and valid snapshot that is not a safety
// snapshot; `rule` widens that, and newer snapshots that the rule excludes are added to
// `passed_over` (may be null). kNotFound with the existing sources as a hint; kInvalidArgument if
// two match, or if the source is on several hosts and none is named.
Result<SnapshotInfo> FindSnapshot(const std::vector<SnapshotInfo>& snapshots,
                                  std::string_view selector, const LatestRule& rule = {},
                                  std::vector<SnapshotInfo>* passed_over = nullptr);
// One line that names the newer snapshots that `latest` passed over and says why.
std::string DescribePassedOver(const std::vector<SnapshotInfo>& passed_over);

// Finds the safety snapshot to undo a restore with: the newest one of source "kind/name[@host]", or
// the one that `selector` names by "latest:kind/name[@host]", by run or by id. kNotFound without
// one; kInvalidArgument if the snapshot is not a safety snapshot.
Result<SnapshotInfo> FindSafetySnapshot(const std::vector<SnapshotInfo>& snapshots,
                                        std::string_view selector);

// Opens a snapshot. REQUIRES: Index::Load() was called after the snapshot was listed;
// the repository outlives the view. Snapshots of stock restic show their whole tree from "/".
Result<std::unique_ptr<SnapshotView>> OpenSnapshot(Repository& repository,
                                                   const SnapshotInfo& snapshot);

}  // namespace holdfast::repository
