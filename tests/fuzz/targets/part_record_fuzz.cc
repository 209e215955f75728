// part.json of a part that waits to be composed.
#include "agent/jobs/parts/part_record.h"
#include "tests/fuzz/target.h"

FUZZ_TARGET(part_record) {
  using namespace holdfast;
  const Result<jobs::PartRecord> record = jobs::DecodePartRecord(AsText(input));
  FUZZ_REQUIRE_CLEAR(record);
  if (!record) return false;
  FUZZ_REQUIRE(record->manifest.parts.size() == 1);
  const std::string text = jobs::EncodePartRecord(*record);
  const Result<jobs::PartRecord> again = jobs::DecodePartRecord(text);
  FUZZ_REQUIRE(again && jobs::EncodePartRecord(*again) == text);
  return true;
}
