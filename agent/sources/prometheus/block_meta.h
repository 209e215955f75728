// A block's meta.json, and the names in a data directory.
//
// Source: tsdb/docs/format/README.md and tsdb/block.go of Prometheus.
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
  std::int64_t min_time = 0;  // milliseconds since 1970, of the first sample
  std::int64_t max_time = 0;  // the first millisecond after the block's range
  std::uint64_t samples = 0;
  std::uint64_t series = 0;
  int level = 0;
  std::vector<std::string> parents;  // blocks that this one took the place of
};

// kCorrupt for what is no such file, kUnsupported for one of a later version.
Result<BlockMeta> ParseBlockMeta(std::string_view text);

// "00000012": of a log's segment; "000001": of a block's chunks.
std::optional<std::uint64_t> SegmentNumber(std::string_view name);
// "checkpoint.00000011": of a log's checkpoint, the last segment that it stands for.
std::optional<std::uint64_t> CheckpointNumber(std::string_view name);

// "2026-01-02T03:04:05.678Z" of milliseconds since 1970.
std::string MillisecondsText(std::int64_t milliseconds);

// One line for people: ULID, times, series, samples, level.
std::string BlockText(const BlockMeta& meta);

}  // namespace holdfast::prometheus
