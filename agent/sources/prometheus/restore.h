// Makes a data directory from a snapshot, with all of its blocks or those of a time range (method
// "to-data-dir").
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "agent/sources/prometheus/block_meta.h"
#include "agent/sources/source.h"

namespace holdfast::prometheus {

struct BlockChoice {
  BlockMeta meta;
  bool is_taken = false;
  std::string reason;  // against it; empty where it is taken
};

struct RestoreChoice {
  std::vector<BlockChoice> blocks;  // by their time
  bool has_logs = false;            // whether "wal" and "wbl" are taken, too
};

// Blocks that have samples of `from` to `until`, milliseconds since 1970, and whose samples are in
// no other block that replaced them. The logs belong to it unless `until` lies before the end of
// the newest block.
RestoreChoice ChooseBlocks(std::vector<BlockMeta> blocks, std::optional<std::int64_t> from,
                           std::optional<std::int64_t> until);

// Of those that are taken, how many begin before another one has ended.
std::size_t CountOverlaps(const RestoreChoice& choice);

// Those that are taken and that a server of this retention removes at `now`, or as soon as it has
// a block of now.
std::vector<BlockMeta> BeyondRetention(const RestoreChoice& choice,
                                       std::chrono::milliseconds retention, std::int64_t now);

// The directory appears as a whole, as the last step, after promtool has looked at it where there
// is one.
Result<MethodOutcome> RestoreDataDirectory(const SourceContext& context, const RestoreSpec& spec,
                                           Progress& progress, std::stop_token stop);

}  // namespace holdfast::prometheus
