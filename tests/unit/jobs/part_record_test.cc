#include "agent/jobs/parts/part_record.h"

#include "tests/support/catch.h"
#include "tests/support/results.h"

namespace holdfast::jobs {
namespace {

using testing::Unwrap;

PartRecord FullRecord() {
  PartRecord record;
  record.manifest.kind = "etcd";
  record.manifest.name = "main";
  record.manifest.parts = {{.node = "n1", .items = 3}};
  record.manifest.missing = {{"/etc/x", "permission denied", "run as root"}};
  record.has_data = true;
  record.is_partial = true;
  record.statistics.files_new = 1;
  record.statistics.bytes_processed = 1ULL << 50;
  record.statistics.blobs.tree_blobs = 9;
  record.parent = repository::Id{{1, 2, 3}};
  return record;
}

TEST_CASE("part record: decodes unchanged, and is a valid manifest") {
  std::string json = EncodePartRecord(FullRecord());
  PartRecord back = Unwrap(DecodePartRecord(json));
  REQUIRE(back.manifest == FullRecord().manifest);
  REQUIRE(back.has_data);
  REQUIRE(back.is_partial);
  REQUIRE(back.parent == FullRecord().parent);
  REQUIRE(back.statistics.files_new == 1);
  REQUIRE(back.statistics.bytes_processed == 1ULL << 50);
  REQUIRE(back.statistics.blobs.tree_blobs == 9);
  REQUIRE(Unwrap(DecodeManifest(json)) == back.manifest);
}

TEST_CASE("part record: malformed records are refused") {
  const std::string good = EncodePartRecord(FullRecord());
  const auto with = [&](const std::string& old, const std::string& text) {
    std::string bad = good;
    bad.replace(bad.find(old), old.size(), text);
    return bad;
  };
  for (const std::string& bad :
       {std::string(), std::string("{}"), std::string(1000, '['), good.substr(0, good.size() / 2),
        EncodeManifest(FullRecord().manifest), with("\"data\": true", "\"data\": 1"),
        with("\"files_new\": 1", "\"files_new\": \"1\""), with("\"parts\": [", "\"sparts\": [")}) {
    INFO(bad);
    REQUIRE_FAILS(DecodePartRecord(bad), ErrorCode::kCorrupt, "");
  }
  REQUIRE_FAILS(DecodePartRecord(with("\"format_version\": 1", "\"format_version\": 2")),
                ErrorCode::kUnsupported, "newer");
}

TEST_CASE("part record: records beyond the limits are refused") {
  const std::string good = EncodePartRecord(FullRecord());
  const auto with = [&](const std::string& old, const std::string& text) {
    std::string bad = good;
    bad.replace(bad.find(old), old.size(), text);
    return bad;
  };
  const auto list = [](std::size_t count, const std::string& element) {
    std::string text = "[" + element;
    for (std::size_t i = 1; i < count; ++i) text += "," + element;
    return text + "]";
  };
  const std::string warnings = "\"warnings\": []";
  struct Row {
    const char* what;
    std::string json;
    const char* error;
  };
  for (const Row& row :
       {Row{"a count of 2^53 + 1", with("\"files_new\": 1", "\"files_new\": 9007199254740993"),
            "files_new is not a count"},
        Row{"items of the part", with("\"items\": 3", "\"items\": 9007199254740993"),
            "a count is too large"},
        Row{"10,001 warnings", with(warnings, "\"warnings\": " + list(10'001, "\"\"")),
            "a list has 10001 elements"},
        Row{"a million values", with(warnings, "\"x\": " + list(1'000'000, "[]")),
            "more than 1000000 values"},
        Row{"depth", with(warnings, "\"x\": " + std::string(70, '[') + std::string(70, ']')),
            "nested too deeply"}}) {
    INFO(row.what);
    REQUIRE_FAILS(DecodePartRecord(row.json), ErrorCode::kCorrupt, row.error);
  }
}

TEST_CASE("part record: writer and reader shorten texts, and the writer shortens lists") {
  PartRecord record = FullRecord();
  record.manifest.warnings.assign(10'002, "w");
  record.manifest.invalid = {std::string(5'000, 'i')};
  const std::string json = EncodePartRecord(record);
  PartRecord back = Unwrap(DecodePartRecord(json));
  REQUIRE(back.manifest.warnings.size() == 10'000);
  REQUIRE(back.manifest.warnings.back() == "3 more entries");
  REQUIRE(back.manifest.invalid == std::vector{std::string(4'096, 'i')});

  std::string longer = json;
  longer.replace(longer.find("iiii"), 4, std::string(1'000, 'i'));
  back = Unwrap(DecodePartRecord(longer));
  REQUIRE(back.manifest.invalid == std::vector{std::string(4'096, 'i')});
}

}  // namespace
}  // namespace holdfast::jobs
