#include "common/stream/manifest.h"

#include <string>

#include "tests/support/catch.h"
#include "tests/support/results.h"

namespace holdfast {
namespace {
using testing::Unwrap;

Manifest FullManifest() {
  Manifest manifest;
  manifest.holdfast_version = "0.1.0";
  manifest.holdfast_commit = "0123456789012345678901234567890123456789-dirty";
  manifest.run = "01HF7YAT00000000000000000";
  manifest.note = "before the upgrade; \"quoted\" \u00e9";
  manifest.kind = "etcd";
  manifest.name = "main";
  manifest.node = "db-1";
  manifest.cluster = "prod";
  manifest.topology = "replicated";
  manifest.identity = {{"cluster_id", "cdf818194e3a8c32"}, {"server_version", "3.6.0"}};
  manifest.members = {{{"name", "m1"}, {"peer_urls", "https://10.0.0.1:2380"}}, {{"name", "m2"}}};
  manifest.position = {{"revision", "4711"}};
  manifest.endpoint = "https://127.0.0.1:2379";
  manifest.method = "maintenance snapshot stream";
  manifest.consistency = "exact";
  manifest.cut_time = Unwrap(ParseTime("2026-11-21T03:45:26.106664116Z"));
  manifest.cut_barrier = false;
  manifest.checksums = {{"data/snapshot.db", "sha256:00"}};
  manifest.details = {{"roots", {"/etc/a", "/etc/b"}}, {"empty", {}}};
  manifest.parts = {{"db-1", std::string(64, 'a'), 12, 1ULL << 62, {{"prepare", 0.125}}},
                    {.node = "db-2", .cut_time = manifest.cut_time}};
  manifest.missing = {{"/etc/x", "permission denied", "run as root"}, {"/etc/y", "gone", ""}};
  manifest.warnings = {"one", "two"};
  return manifest;
}

TEST_CASE("manifest: round trip") {
  CHECK(Unwrap(DecodeManifest(EncodeManifest(FullManifest()))) == FullManifest());
  Manifest least;
  least.kind = "files";
  least.name = "app";
  CHECK(Unwrap(DecodeManifest(EncodeManifest(least))) == least);
}

TEST_CASE("manifest: is readable JSON with the version first") {
  std::string json = EncodeManifest(FullManifest());
  CHECK(json.starts_with("{\n  \"format_version\": 1,\n  \"holdfast_version\": \"0.1.0\""));
  CHECK(json.ends_with("}\n"));
  CHECK_THAT(json, Catch::Contains("\"cut_time\": \"2026-11-21T03:45:26.106664116Z\""));
}

TEST_CASE("manifest: invalid UTF-8 is replaced") {
  Manifest manifest = FullManifest();
  manifest.missing = {{"/etc/caf\xe9", "gone\xff", ""}};
  manifest.checksums = {{"data/\xfe", "x"}};

  Manifest back = Unwrap(DecodeManifest(EncodeManifest(manifest)));

  CHECK(back.missing[0].what == "/etc/caf\ufffd");
  CHECK(back.checksums.begin()->first == "data/\ufffd");
}

TEST_CASE("manifest: unknown fields are ignored, newer formats are refused") {
  std::string json = EncodeManifest(FullManifest());
  std::string more = "{\"future\": {\"x\": [1, null]}, " + json.substr(1);
  CHECK(Unwrap(DecodeManifest(more)) == FullManifest());
  std::string newer = json;
  newer.replace(newer.find(": 1,"), 4, ": 2,");
  REQUIRE_FAILS(DecodeManifest(newer), ErrorCode::kUnsupported, "newer Holdfast");
  // The other fields do not matter.
  REQUIRE_FAILS(DecodeManifest(R"({"format_version":99,"kind":7})"), ErrorCode::kUnsupported, "99");
}

TEST_CASE("manifest: a malformed manifest is refused") {
  const std::string kBad[] = {
      "",
      "x",
      "[]",
      "{}",
      "{\"format_version\":",
      R"({"format_version":"1"})",
      R"({"format_version":0})",
      R"({"format_version":-1})",
      R"({"format_version":1})",
      R"({"format_version":1,"kind":"a","name":"b"})",
      R"({"format_version":1,"kind":"a","name":7,"cut_time":"2026-11-21T03:45:26Z"})",
      R"({"format_version":1,"kind":"a","name":"b","cut_time":"soon"})",
      R"({"format_version":1,"kind":"a","name":"b","cut_time":"2026-11-21T03:45:26Z","parts":[1]})",
      R"({"format_version":1,"kind":"a","name":"b","cut_time":"2026-11-21T03:45:26Z","parts":[{"cut_time":"soon"}]})",
      R"({"format_version":1,"kind":"a","name":"b","cut_time":"2026-11-21T03:45:26Z","members":{"a":1}})",
      std::string(1'000'000, '['),
  };
  for (const std::string& json : kBad) {
    INFO(json.substr(0, 100));
    Result<Manifest> result = DecodeManifest(json);
    REQUIRE_FALSE(result);
  }
  REQUIRE_FAILS(DecodeManifest(kBad[15]), ErrorCode::kCorrupt, "nested");
}

}  // namespace
}  // namespace holdfast
