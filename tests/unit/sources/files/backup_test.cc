#include "agent/sources/registry/all_sources.h"
#include "tests/unit/sources/files/fixture.h"

namespace holdfast {
namespace {

using namespace holdfast::testing;  // NOLINT

using Texts = std::vector<std::string>;

TEST_CASE_METHOD(FilesFixture, "files: invalid options are refused") {
  values.Set("paths", Texts{});
  REQUIRE_FAILS(Open(), ErrorCode::kInvalidArgument, "at least one");
  values.Set("paths", Texts{"relative"});
  REQUIRE_FAILS(Open(), ErrorCode::kInvalidArgument, "not absolute");
  values.Set("paths", Texts{live});
  values.Set("exclude", Texts{"cache/tmp"});
  REQUIRE_FAILS(Open(), ErrorCode::kInvalidArgument, "cache/tmp");
  values.Set("exclude", Texts{""});
  REQUIRE_FAILS(Open(), ErrorCode::kInvalidArgument, "exclude");
  values.Set("exclude", Texts{"*.tmp", "cache/", "/srv/*/cache", "*/x"});
  REQUIRE_OK(Open());
}

TEST_CASE_METHOD(FilesFixture, "files: the manifest describes the source") {
  WriteText(live + "/f", "x");
  values.Set("paths", Texts{live + "/", top + "/none"});
  values.Set("exclude", Texts{"*.tmp"});
  values.Set("one_file_system", true);

  auto view = Save();
  const Manifest& manifest = *view->the_manifest;

  REQUIRE(manifest.method == "file walk");
  REQUIRE(manifest.consistency == "per file");
  REQUIRE(manifest.position.at("cut") == "2096-10-02T07:06:40Z");
  REQUIRE(manifest.details.at("roots") == Texts{live});
  REQUIRE(manifest.details.at("paths") == Texts{live, top + "/none"});
  REQUIRE(manifest.details.at("exclude") == Texts{"*.tmp"});
  REQUIRE(manifest.details.at("limits") == Texts{"one_file_system"});
  REQUIRE(manifest.missing.size() == 1);
  REQUIRE(manifest.missing[0].what == top + "/none");
}

TEST_CASE_METHOD(FilesFixture, "files: a source without any existing path fails and names it") {
  values.Set("paths", Texts{top + "/none"});
  auto source = Unwrap(Open());
  auto session = Unwrap(source->OpenBackup({}));
  REQUIRE_FAILS(session->Prepare({}), ErrorCode::kNotFound, top + "/none");

  SourceInfo info = Unwrap(source->Probe({}));
  REQUIRE_FALSE(info.healthy);
  REQUIRE(info.health == "found 0 of 1 path");
  REQUIRE(info.missing.size() == 1);
}

TEST_CASE_METHOD(FilesFixture, "files: probe counts items and names mount points") {
  WriteText(live + "/f", "12345");
  values.Set("paths", Texts{live, "/proc"});
  SourceInfo info = Unwrap(Unwrap(Open())->Probe({}));
  REQUIRE(info.would_save.at(0) == live);
  REQUIRE(info.warnings.at(0).find("is a mount point") != std::string::npos);

  values.Set("paths", Texts{live});
  info = Unwrap(Unwrap(Open())->Probe({}));
  REQUIRE(info.would_save.back().find(", 5 B") != std::string::npos);
}

TEST_CASE_METHOD(FilesFixture, "files: the total is known before anything is read") {
  WriteText(live + "/f", "12345");
  auto source = Unwrap(Open());
  auto session = Unwrap(source->OpenBackup({}));
  REQUIRE_OK(session->Prepare({}));
  REQUIRE_OK(session->Cut());
  REQUIRE(session->bytes_total() == 5);
}

TEST_CASE_METHOD(FilesFixture,
                 "files: the total is the current one, not that of the previous snapshot") {
  WriteText(live + "/f", "12345");
  const std::unique_ptr<FakeSnapshotView> before = Save();
  before->the_manifest->parts = {{.node = "node", .bytes = 4711}};
  auto source = Unwrap(Open());
  auto session = Unwrap(source->OpenBackup({.previous = before.get()}));
  REQUIRE_OK(session->Prepare({}));
  REQUIRE(session->bytes_total() == 5);
}

TEST_CASE("all sources: each kind is found by its unique name") {
  std::set<std::string> names;
  for (const SourceKind& kind : AllSourceKinds()) {
    REQUIRE(names.insert(kind.kind).second);
    REQUIRE(FindSourceKind(kind.kind) == &kind);
    REQUIRE_FALSE(kind.summary.empty());
    REQUIRE(kind.open);
  }
  REQUIRE(names.contains("files"));
  REQUIRE(FindSourceKind("none") == nullptr);
  REQUIRE(TopologyName(Topology::kReplicated) == "replicated");
}

}  // namespace
}  // namespace holdfast
