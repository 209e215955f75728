// The snapshot file's JSON. Fields: docs/repository-format.md#snapshot.
#pragma once

#include <string>
#include <string_view>

#include "common/base/result.h"
#include "common/repository/part_writer.h"
#include "common/repository/snapshot_reader.h"

namespace holdfast::repository {

// What restic's `summary` says beside the statistics' own numbers.
struct SnapshotSummary {
  WallTime begin;
  WallTime end;
  PartStatistics statistics;
};

// Writes the fields that a new snapshot of Holdfast's has; those of SnapshotInfo that come from
// tags and path are not written again.
std::string EncodeSnapshot(const SnapshotInfo& snapshot, const SnapshotSummary& summary);
// Any spelling and order, unknown fields pass. `id` becomes the snapshot's. kCorrupt.
Result<SnapshotInfo> DecodeSnapshot(const Id& id, std::string_view json);
// The JSON of a snapshot that is copied to another repository: every field as it stands, whoever
// wrote it, but `parent`, which means nothing there, and `original` and `tree`, which are as given.
// kCorrupt.
Result<std::string> EncodeCopy(std::string_view json, const Id& original, const Id& tree);

}  // namespace holdfast::repository
