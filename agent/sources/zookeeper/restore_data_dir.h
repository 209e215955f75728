// Creates the data directory that a member starts with from a snapshot (method "stage-data-dir"):
// the tree as in the snapshot, or as it was after an earlier transaction. The logs are cut there.
#pragma once

#include <cstdint>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "agent/sources/source.h"

namespace holdfast::zookeeper {

// --until-zxid, an option of every method of the kind.
config::OptionSpec UntilOption();
// nullopt if it is not given.
Result<std::optional<std::int64_t>> ReadUntil(const config::Values& options);
// kInvalidArgument if the tree after `until` cannot be restored from a snapshot that may have parts
// of transactions up to `first`, and that ends at `last`.
Result<void> CheckNotBefore(std::int64_t until, std::int64_t first);
Result<void> CheckNotAfter(std::int64_t until, std::int64_t last);

// Paths in a snapshot of this kind.
struct SavedPaths {
  std::vector<std::string> snapshots;
  std::vector<std::string> logs;
};
// kNotFound if there is no ZooKeeper snapshot in it.
Result<SavedPaths> ListSaved(SnapshotView& view);

// Extracts to a temporary directory, verifies everything, cuts the logs, and renames "version-2"
// into place as the last step; after an error there is no "version-2". The lines of the outcome say
// what was created and what is left to do. Warnings say if the tree is not what the ensemble had.
Result<MethodOutcome> StageDataDirectory(const RestoreSpec& spec, Progress& progress,
                                         const std::stop_token& stop);

}  // namespace holdfast::zookeeper
