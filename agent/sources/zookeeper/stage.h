// Makes the data directory that a member starts with from a snapshot (method "stage-data-dir"): the
// tree as the snapshot has it, or as it was after an earlier transaction, after which the logs are
// cut.
#pragma once

#include <cstdint>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "agent/sources/source.h"

namespace holdfast::zookeeper {

// --until-zxid, which every method of the kind has.
config::OptionSpec UntilOption();
// nullopt where it was not given.
Result<std::optional<std::int64_t>> ReadUntil(const config::Values& options);
// kInvalidArgument where the tree after `until` cannot be made of a snapshot that may have parts of
// transactions up to `first`, and where it ends at `last`.
Result<void> CheckNotBefore(std::int64_t until, std::int64_t first);
Result<void> CheckNotBehind(std::int64_t until, std::int64_t last);

// What a snapshot of this kind has, as paths in it.
struct SavedPaths {
  std::vector<std::string> snapshots;
  std::vector<std::string> logs;
};
// kNotFound without a snapshot of ZooKeeper's own.
Result<SavedPaths> ListSaved(SnapshotView& view);

// Extracts beside the place, reads all of it, cuts the logs, and puts "version-2" in its place as
// the last step: on an error nothing is left of it. Its lines are what was made, and what is left
// to do; where the tree is not what the ensemble had, its warnings say so.
Result<MethodOutcome> StageDataDirectory(const RestoreSpec& spec, Progress& progress,
                                         const std::stop_token& stop);

}  // namespace holdfast::zookeeper
