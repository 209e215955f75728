// The snapshot file's JSON. Fields: docs/repository-format.md#snapshot.
#pragma once

#include <string>
#include <string_view>

#include "common/base/result.h"
#include "common/repository/snapshot/part_writer.h"
#include "common/repository/snapshot/snapshot_info.h"

namespace holdfast::repository {

// The content of restic's `summary` field.
struct SnapshotSummary {
  WallTime begin;
  WallTime end;
  PartStatistics statistics;
};

// Encodes a new snapshot of Holdfast. Fields of SnapshotInfo that come from tags and path are not
// written separately.
std::string EncodeSnapshot(const SnapshotInfo& snapshot, const SnapshotSummary& summary);
// Accepts any formatting and field order, and unknown fields. `id` is the snapshot's. kCorrupt.
Result<SnapshotInfo> DecodeSnapshot(const Id& id, std::string_view json);
// The JSON of a snapshot that is copied to another repository. Keeps all fields, even unknown ones,
// except `parent`, which has no meaning there, and `original` and `tree`, which are replaced.
// kCorrupt.
Result<std::string> EncodeCopy(std::string_view json, const Id& original, const Id& tree);

}  // namespace holdfast::repository
