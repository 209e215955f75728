#include "agent/sources/prometheus/block_meta.h"

#include "tests/support/catch.h"
#include "tests/support/refusals.h"
#include "tests/unit/sources/prometheus/data_directory.h"

namespace holdfast::prometheus {
namespace {

using testing::RequireRefused;
using testing::Unwrap;

TEST_CASE("block meta: a real one is parsed") {
  const BlockMeta meta = Unwrap(ParseBlockMeta(MetaText(UlidOf(3), -5, 1000, {UlidOf(1), "no"})));
  REQUIRE(meta.ulid == UlidOf(3));
  REQUIRE(meta.min_time == -5);
  REQUIRE(meta.max_time == 1000);
  REQUIRE(meta.samples == 12);
  REQUIRE(meta.series == 3);
  REQUIRE(meta.level == 1);
  REQUIRE(meta.parents == std::vector<std::string>{UlidOf(1)});
  REQUIRE_THAT(BlockText(meta),
               Catch::Contains("1969-12-31T23:59:59.995Z to 1970-01-01T00:00:01Z"));
}

TEST_CASE("block meta: malformed ones are refused") {
  const std::string good = MetaText(UlidOf(3), 5, 1000);
  const auto with = [&](const std::string& old, const std::string& other) {
    std::string text = good;
    text.replace(text.find(old), old.size(), other);
    return text;
  };
  REQUIRE_OK(ParseBlockMeta(with("\"numSamples\":12", "\"numSamples\":-12")));
  RequireRefused(ParseBlockMeta, ErrorCode::kCorrupt,
                 {{"", "not a JSON object"},
                  {"[]", "not a JSON object"},
                  {std::string(1000, '{'), "not a JSON object"}});
  REQUIRE_FAILS(ParseBlockMeta(with("\"version\":1", "\"version\":2")), ErrorCode::kUnsupported,
                "2");
  RequireRefused(ParseBlockMeta, ErrorCode::kCorrupt,
                 {{with("\"version\":1", "\"v\":1"), "version"},
                  {with("01H", "../"), "ULID"},
                  {with("\"minTime\":5", "\"minTime\":\"5\""), "minTime"},
                  {with("\"minTime\":5", "\"minTime\":5000"), "before it begins"}});
}

TEST_CASE("block meta: file names in a log are parsed") {
  REQUIRE(SegmentNumber("00000012") == 12U);
  REQUIRE(SegmentNumber("123456789") == 123456789U);
  REQUIRE(SegmentNumber("000001") == 1U);
  REQUIRE(CheckpointNumber("checkpoint.00000011") == 11U);
  for (const char* name : {"", "12", "0000001x", "checkpoint.00000011.tmp", "-0000001"})
    REQUIRE_FALSE((SegmentNumber(name) || CheckpointNumber(name)));
}

}  // namespace
}  // namespace holdfast::prometheus
