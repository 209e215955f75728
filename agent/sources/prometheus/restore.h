// Restores all data, or that of a time range, to a new data directory (method "to-data-dir").
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "agent/sources/prometheus/block_meta.h"
#include "agent/sources/source.h"

namespace holdfast::prometheus {

struct BlockChoice {
  BlockMeta meta;
  bool is_taken = false;
  std::string reason;  // why not; empty if taken
};

struct RestoreChoice {
  std::vector<BlockChoice> blocks;  // sorted by time
  bool has_logs = false;            // whether "wal" and "wbl" are taken
};

// Chooses blocks with samples from `from` to `until` (milliseconds since 1970) that no other block
// replaced. Includes the logs unless `until` is before the end of the newest block.
RestoreChoice ChooseBlocks(std::vector<BlockMeta> blocks, std::optional<std::int64_t> from,
                           std::optional<std::int64_t> until);

// The number of taken blocks that begin before an earlier one ends.
std::size_t CountOverlaps(const RestoreChoice& choice);

// The taken blocks that a server with this retention deletes at `now`, or after its next block.
std::vector<BlockMeta> BeyondRetention(const RestoreChoice& choice,
                                       std::chrono::milliseconds retention, std::int64_t now);

// The complete directory appears as the last step, after promtool, if installed, has checked it.
Result<MethodOutcome> RestoreDataDirectory(const SourceContext& context, const RestoreSpec& spec,
                                           Progress& progress, std::stop_token stop);

}  // namespace holdfast::prometheus
