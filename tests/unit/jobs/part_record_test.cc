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
  record.statistics.bytes_processed = 1ULL << 60;
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
  REQUIRE(back.statistics.bytes_processed == 1ULL << 60);
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

}  // namespace
}  // namespace holdfast::jobs
