// part.json of a part that waits to be composed. Another node wrote it.
#include <algorithm>

#include "agent/jobs/parts/part_record.h"
#include "tests/fuzz/target.h"

FUZZ_TARGET(part_record) {
  using namespace holdfast;
  const Result<jobs::PartRecord> record = jobs::DecodePartRecord(AsText(input));
  FUZZ_REQUIRE_CLEAR(record);
  if (!record) return false;
  const Manifest& manifest = record->manifest;
  FUZZ_REQUIRE(manifest.parts.size() == 1);
  FUZZ_REQUIRE(std::max({manifest.missing.size(), manifest.warnings.size(),
                         manifest.invalid.size()}) <= jobs::kPartRecordListMax);
  for (const std::string& text : manifest.warnings)
    FUZZ_REQUIRE(text.size() <= jobs::kPartRecordTextMax);
  FUZZ_REQUIRE(record->statistics.items <= jobs::kPartRecordCountMax);
  FUZZ_REQUIRE(jobs::CheckPartRecord(
      *record, {manifest.kind, manifest.name, manifest.run, manifest.parts.front().node}));
  FUZZ_REQUIRE(!jobs::CheckPartRecord(
      *record, {manifest.kind, manifest.name, manifest.run, manifest.parts.front().node + "x"}));
  const std::string text = jobs::EncodePartRecord(*record);
  const Result<jobs::PartRecord> again = jobs::DecodePartRecord(text);
  FUZZ_REQUIRE(again && jobs::EncodePartRecord(*again) == text);
  return true;
}
