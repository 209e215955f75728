#include "common/stream/untrusted_view.h"

#include "common/io/atomic_file.h"
#include "common/io/fd.h"
#include "tests/support/catch.h"
#include "tests/support/fake_snapshot_view.h"
#include "tests/support/results.h"

namespace holdfast {
namespace {

using testing::FakeSnapshotView;
using testing::Unwrap;

struct Fixture {
  Fixture() { inner.nodes["data"].attributes.type = NodeType::kDirectory; }
  Attributes& Add(const std::string& path, NodeType type = NodeType::kFile) {
    Attributes& attributes = inner.nodes[path].attributes;
    attributes.type = type;
    attributes.mode = 04755;
    return attributes;
  }
  Result<std::vector<std::string>> Names(const std::string& path) {
    std::vector<std::string> names;
    HF_TRY(view.List(path, [&](const ViewEntry& entry) -> Result<void> {
      names.push_back(entry.name);
      return {};
    }));
    return names;
  }

  FakeSnapshotView inner;
  UntrustedView view{inner, SpecialRights::None()};
};

TEST_CASE("untrusted view: special objects are invisible, and rights are removed") {
  Fixture fixture;
  fixture.Add("data/file");
  fixture.Add("data/pipe", NodeType::kFifo);

  CHECK(Unwrap(fixture.Names("data")) == std::vector<std::string>{"file"});
  CHECK(Unwrap(fixture.view.Stat("data/file"))->mode == 0755);
  CHECK(Unwrap(fixture.view.Find("data/file"))->attributes().mode == 0755);
  CHECK_FALSE(Unwrap(fixture.view.Stat("data/pipe")).has_value());
  CHECK(Unwrap(fixture.view.Find("data/pipe")) == nullptr);
  CHECK(Unwrap(fixture.view.Hides("data/pipe")));
  CHECK_FALSE(Unwrap(fixture.view.Hides("data/file")));
  CHECK_FALSE(Unwrap(fixture.view.Hides("data/none")));
  CHECK(fixture.view.left_out().Lines() ==
        std::vector<std::string>{"left out data/pipe: it is a FIFO",
                                 "left out of data/file: setuid"});
}

TEST_CASE("untrusted view: an extraction leaves out what the view hides") {
  Fixture fixture;
  fixture.Add("data/file");
  fixture.Add("data/pipe", NodeType::kFifo);
  const TempDir directory = Unwrap(TempDir::Create("untrusted-view"));
  Progress progress;

  Unwrap(fixture.view.Extract(directory.path(), {}, progress, {}));

  CHECK(Unwrap(NamesIn(directory.path() + "/data")) == std::vector<std::string>{"file"});
}

TEST_CASE("untrusted view: each limit is named by the error") {
  struct Row {
    std::string what;
    std::function<void(Attributes&)> change;
    std::string message;
  };
  const std::vector<Row> rows = {
      {"target", [](Attributes& a) { a.link_target.assign(kSnapshotLinkBytesMax + 1, 'x'); },
       "bytes of the symlink's target: 4,096; a restore takes at most 4,095"},
      {"count", [](Attributes& a) { a.extended.resize(kSnapshotAttributesMax + 1); },
       "extended attributes: 257"},
      {"name",
       [](Attributes& a) {
         a.extended = {{std::string(256, 'x'), {}}};
       },
       "bytes of an extended attribute's name: 256"},
      {"value",
       [](Attributes& a) {
         a.extended = {{"user.x", Bytes(kSnapshotAttributeBytesMax + 1)}};
       },
       "bytes of an extended attribute: 65,537"},
      {"total",
       [](Attributes& a) {
         a.extended.assign(17, {"user.x", Bytes(kSnapshotAttributeBytesMax)});
       },
       "bytes of extended attributes: 1,114,112"},
  };
  for (const Row& row : rows) {
    INFO(row.what);
    Fixture fixture;
    row.change(fixture.Add("data/x", NodeType::kSymlink));
    REQUIRE_FAILS(fixture.Names("data"), ErrorCode::kUnsupported, row.message);
    REQUIRE_FAILS(fixture.view.Stat("data/x"), ErrorCode::kUnsupported, row.message);
  }
}

TEST_CASE("untrusted view: names and depths are limited") {
  Fixture fixture;
  SECTION("a name") {
    fixture.Add("data/" + std::string(256, 'x'));
    REQUIRE_FAILS(fixture.Names("data"), ErrorCode::kUnsupported, "bytes of an entry's name: 256");
  }
  SECTION("no name of an entry") {
    fixture.Add("data/..");
    REQUIRE_FAILS(fixture.Names("data"), ErrorCode::kCorrupt, "an entry named \"..\"");
  }
  SECTION("depth") {
    std::string deep = "data";
    for (std::size_t i = 0; i < kSnapshotDepthMax; ++i) deep += "/d";
    REQUIRE_FAILS(fixture.view.Stat(deep), ErrorCode::kUnsupported,
                  "directories in each other: 2,049");
    REQUIRE_FAILS(fixture.Names(deep), ErrorCode::kUnsupported, "at most 2,048");
  }
}

TEST_CASE("untrusted view: lists in the manifest are limited") {
  Fixture fixture;
  CHECK(Unwrap(fixture.view.DetailsOf("roots")).empty());
  Manifest manifest;
  manifest.details["roots"] = {"/srv"};
  fixture.inner.the_manifest = manifest;
  CHECK(Unwrap(fixture.view.DetailsOf("roots")) == std::vector<std::string>{"/srv"});
  REQUIRE_OK(fixture.view.CheckManifest({"roots"}));

  SECTION("entries") {
    fixture.inner.the_manifest->details["roots"].resize(kSnapshotDetailsMax + 1);
    REQUIRE_FAILS(fixture.view.CheckManifest({"roots"}), ErrorCode::kUnsupported,
                  "details.roots\" in the snapshot: entries: 10,001");
  }
  SECTION("an entry") {
    fixture.inner.the_manifest->details["roots"] = {std::string(4097, 'x')};
    REQUIRE_FAILS(fixture.view.DetailsOf("roots"), ErrorCode::kUnsupported,
                  "bytes of an entry: 4,097");
  }
  SECTION("missing items") {
    fixture.inner.the_manifest->missing.resize(kSnapshotMissingMax + 1);
    REQUIRE_FAILS(fixture.view.CheckManifest({"roots"}), ErrorCode::kUnsupported,
                  "missing items: 100,001");
  }
}

}  // namespace
}  // namespace holdfast
