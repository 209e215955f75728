// meta.json of a block, and names of log files, written by Prometheus's owner.
#include "agent/sources/prometheus/block_meta.h"
#include "common/base/ulid.h"
#include "tests/fuzz/target.h"

FUZZ_TARGET(block_meta) {
  using namespace holdfast;
  const std::string_view text = AsText(input);
  (void)prometheus::SegmentNumber(text);
  (void)prometheus::CheckpointNumber(text);
  const auto meta = prometheus::ParseBlockMeta(text);
  FUZZ_REQUIRE_CLEAR(meta);
  if (!meta) return false;
  FUZZ_REQUIRE(IsUlid(meta->ulid) && meta->min_time <= meta->max_time);
  for (const std::string& parent : meta->parents) FUZZ_REQUIRE(IsUlid(parent));
  (void)prometheus::BlockText(*meta);
  return true;
}
