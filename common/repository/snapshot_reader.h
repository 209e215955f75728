// Snapshots: their list, and the way into one.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"
#include "common/repository/repository.h"
#include "common/stream/snapshot_view.h"

namespace holdfast::repository {

struct SnapshotInfo {
  Id id;
  UnixTime time;
  int utc_offset_s = 0;  // of the clock that wrote it: what an hour or a day is to a policy
  std::optional<Id> parent;
  std::optional<Id>
      original;  // of a copy, and of one whose tags were changed: what it was at first
  Id tree;
  std::vector<std::string> paths;
  std::string host;
  std::string user;
  std::uint32_t uid = 0;  // of that user; restic writes both, Holdfast does not
  std::uint32_t gid = 0;
  std::vector<std::string> excludes;  // likewise
  std::vector<std::string> tags;
  std::string program_version;
  // Of the summary; 0 where the writer left none. docs/glossary.md#counts says what they count.
  std::uint64_t files = 0;
  std::uint64_t bytes_processed = 0;
  std::uint64_t bytes_added = 0;
  std::uint64_t bytes_stored = 0;

  // From the tags and the path of Holdfast's own snapshots; empty for others.
  std::string kind;
  std::string name;
  std::string run;
  std::string cluster;
  // Empty also where only the manifest has it, as of builds that wrote no tag for it. Untrusted.
  std::string note;
  bool is_partial = false;
  bool is_invalid = false;  // the service's own checker refused the content
  // What a restore replaced. Not a backup: `latest`, retention and the next backup ignore it.
  bool is_safety = false;

  // The name of the source that the content came from: `name`, of a safety snapshot without
  // kSafetySuffix.
  std::string source_name() const;
  // Complete and valid.
  bool is_good() const { return !is_partial && !is_invalid; }
};

// Restic tags of Holdfast's snapshots.
inline constexpr std::string_view kPartialTag = "partial";
inline constexpr std::string_view kInvalidTag = "invalid";
inline constexpr std::string_view kSafetyTag = "safety";

// One snapshot. kNotFound; kCorrupt names it.
Result<SnapshotInfo> LoadSnapshot(Repository& repository, const Id& id);

// What it means that one was listed and is not there any more when it is read.
enum class Vanished : std::uint8_t {
  kForgotten,  // somebody forgot it meanwhile
  kError,      // kUnavailable: the caller, who is about to remove something, keeps others from that
};

// All snapshots by ascending time. An unreadable one is an error that names it.
Result<std::vector<SnapshotInfo>> ListSnapshots(Repository& repository,
                                                Vanished vanished = Vanished::kForgotten);

// One that is there and says nothing any more, or not now.
struct UnreadableSnapshot {
  Id id;
  Error error;  // IsDamage() or IsOutOfReach(); names it, with what to do as a hint
};
struct SnapshotListing {
  std::vector<SnapshotInfo> snapshots;  // by ascending time
  std::vector<UnreadableSnapshot> unreadable;
};
// The same for who must not be kept from all the others by one that is unreadable.
Result<SnapshotListing> ListReadableSnapshots(Repository& repository,
                                              Vanished vanished = Vanished::kForgotten);

// Which snapshots `latest` accepts besides complete and valid ones.
struct LatestRule {
  bool allow_partial = false;
  bool allow_invalid = false;
};

// Finds one by "latest:kind/name[@host]", "run:<ulid>:kind/name", "latest" (of all) or the
// beginning of an id. The latest is the newest complete and valid snapshot that is not a safety
// snapshot; `rule` widens that, and newer snapshots that the rule excludes are added to
// `passed_over` (may be null). kNotFound with the existing sources as a hint; kInvalidArgument when
// two match, or the source is on several hosts and none is named.
Result<SnapshotInfo> FindSnapshot(const std::vector<SnapshotInfo>& snapshots,
                                  std::string_view selector, const LatestRule& rule = {},
                                  std::vector<SnapshotInfo>* passed_over = nullptr);
// One line that names the newer snapshots that `latest` passed over and says why.
std::string DescribePassedOver(const std::vector<SnapshotInfo>& passed_over);

// Finds the safety snapshot to undo a restore with: the newest one of source "kind/name[@host]", or
// the one that `selector` names by "latest:kind/name[@host]", by run or by id. kNotFound without
// one; kInvalidArgument when the snapshot is not a safety snapshot.
Result<SnapshotInfo> FindSafetySnapshot(const std::vector<SnapshotInfo>& snapshots,
                                        std::string_view selector);

// The view of one. REQUIRES: repository.LoadIndex() was called after the snapshot was listed; the
// repository outlives the view. Snapshots of stock restic show their whole tree from "/".
Result<std::unique_ptr<SnapshotView>> OpenSnapshot(Repository& repository,
                                                   const SnapshotInfo& snapshot);

}  // namespace holdfast::repository
