// Parses a block's meta.json, and file names in a data directory.
//
// See tsdb/docs/format/README.md and tsdb/block.go of Prometheus.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"

namespace holdfast::prometheus {

struct BlockMeta {
  std::string ulid;
  std::int64_t min_time = 0;  // of the first sample, milliseconds since 1970
  std::int64_t max_time = 0;  // end of the block's range, exclusive
  std::uint64_t samples = 0;
  std::uint64_t series = 0;
  int level = 0;
  std::vector<std::string> parents;  // blocks that this one replaced
};

// kCorrupt if the file is malformed, kUnsupported for a later version.
Result<BlockMeta> ParseBlockMeta(std::string_view text);

// The number of a log segment ("00000012") or of a block's chunk file ("000001").
std::optional<std::uint64_t> SegmentNumber(std::string_view name);
// The number of a log's checkpoint ("checkpoint.00000011"): the last segment that it includes.
std::optional<std::uint64_t> CheckpointNumber(std::string_view name);

// Formats milliseconds since 1970 as "2026-01-02T03:04:05.678Z".
std::string MillisecondsText(std::int64_t milliseconds);

// One line for humans: ULID, times, series, samples, level.
std::string BlockText(const BlockMeta& meta);

}  // namespace holdfast::prometheus
