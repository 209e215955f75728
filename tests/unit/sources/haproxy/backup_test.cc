#include "agent/sources/haproxy/backup.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "agent/sources/haproxy/haproxy.h"
#include "common/io/atomic_file.h"
#include "common/io/fd.h"
#include "tests/support/catch.h"
#include "tests/support/fake_snapshot_view.h"
#include "tests/support/manual_clock.h"
#include "tests/support/results.h"
#include "tests/support/seeded_random.h"

using namespace holdfast;
using holdfast::testing::FakeSnapshotView;
using holdfast::testing::Unwrap;
using Names = std::vector<std::string>;

namespace {

constexpr std::string_view kProgram = R"(#!/bin/sh
if [ "$1" = -v ]; then echo "HAProxy version 2.6.12 2023/12/16 - https://haproxy.org/"; exit 0; fi
if grep -q refuse "$3"; then echo "[ALERT]    (7) : config : parsing [$3:1] : bad" >&2; exit 1; fi
)";

class Rig {
 public:
  Rig() : directory_(Unwrap(TempDir::Create("haproxy-backup"))) {
    Unwrap(WriteFileAtomic(Path("haproxy"), AsBytes(kProgram), 0755));
    context_ = {"haproxy", "edge", "n1", "", Path("state"), &clock_, &random_};
    values_.Set("config", Names{Path("h.cfg")});
    values_.Set("binary", Path("haproxy"));
  }
  std::string Path(const std::string& name) const { return directory_.path() + "/" + name; }
  void Add(const std::string& name, std::string_view content = "x") {
    std::string path = Path(name);
    Unwrap(MakeDirectories(path.substr(0, path.rfind('/'))));
    Unwrap(WriteFileAtomic(path, AsBytes(content), 0644));
  }
  config::Values& values() { return values_; }
  Source& source() {
    source_ = Unwrap(HaproxyKind().open(context_, values_));
    return *source_;
  }
  Manifest Save(FakeSnapshotView& view, SnapshotView* previous = nullptr) {
    auto session = Unwrap(source().OpenBackup({previous}));
    REQUIRE_OK(session->Prepare({}));
    REQUIRE_OK(session->Cut());
    while (std::optional<Item> item = Unwrap(session->Next())) {
      REQUIRE_OK(view.Add(std::move(*item), dynamic_cast<FakeSnapshotView*>(previous)));
    }
    return Unwrap(session->Finish());
  }
  // Files and symlinks of the snapshot, relative to the rig's directory.
  Names Saved(const FakeSnapshotView& view) const {
    Names names;
    std::string prefix = "members/n1/files" + directory_.path() + "/";
    for (const auto& [path, node] : view.nodes) {
      if (node.attributes.type == NodeType::kDirectory) continue;
      REQUIRE(path.starts_with(prefix));
      names.push_back(path.substr(prefix.size()));
    }
    return names;
  }

 private:
  TempDir directory_;
  testing::ManualClock clock_;
  testing::SeededRandom random_;
  SourceContext context_;
  config::Values values_;
  std::unique_ptr<Source> source_;
};

}  // namespace

TEST_CASE("haproxy backup: files are below the member's directory, and described in the manifest") {
  Rig rig;
  rig.Add("certs/a.pem");
  rig.Add("extra/b");
  rig.Add("unnamed");
  rig.Add("h.cfg", "listen l\n bind :1 ssl crt " + rig.Path("certs") + "\n");
  rig.values().Set("files", Names{rig.Path("extra")});
  FakeSnapshotView view;

  Manifest manifest = rig.Save(view);

  CHECK(rig.Saved(view) == Names{"certs/a.pem", "extra/b", "h.cfg"});
  CHECK(manifest.identity["server_version"] == "2.6.12");
  CHECK(manifest.consistency == "per file");
  CHECK(manifest.details["config"] == Names{rig.Path("h.cfg")});
  CHECK(manifest.details["certificate_directories"] == Names{rig.Path("certs")});
  CHECK(manifest.missing.empty());
  CHECK(manifest.warnings.empty());
}

TEST_CASE("haproxy backup: missing files are named with the line that refers to them") {
  Rig rig;
  rig.Add("h.cfg", "frontend f\n errorfile 503 " + rig.Path("gone") + "\n");
  rig.values().Set("files", Names{rig.Path("gone-too")});
  FakeSnapshotView view;

  Manifest manifest = rig.Save(view);

  REQUIRE(manifest.missing.size() == 2);
  CHECK(manifest.missing[0].what == rig.Path("gone"));
  CHECK(manifest.missing[0].reason ==
        "does not exist, named in " + rig.Path("h.cfg") + ":2 (errorfile)");
  CHECK(manifest.missing[1].what == rig.Path("gone-too"));
  CHECK(rig.Saved(view) == Names{"h.cfg"});

  rig.values().Set("on_missing", std::string("fail"));
  auto session = Unwrap(rig.source().OpenBackup({}));
  REQUIRE_FAILS(session->Prepare({}), ErrorCode::kNotFound, rig.Path("gone") + ": does not exist");
}

TEST_CASE("haproxy backup: a configuration that HAProxy refuses is saved as invalid") {
  Rig rig;
  rig.Add("h.cfg", "refuse\n");
  FakeSnapshotView view;

  Manifest manifest = rig.Save(view);

  CHECK(rig.Saved(view) == Names{"h.cfg"});
  CHECK(manifest.invalid ==
        Names{"haproxy refuses the configuration: [" + rig.Path("h.cfg") + ":1] : bad"});
}

TEST_CASE("haproxy backup: files are saved even without the program") {
  Rig rig;
  rig.Add("h.cfg", "global\n");
  rig.values().Set("binary", rig.Path("nowhere"));
  FakeSnapshotView view;

  Manifest manifest = rig.Save(view);

  CHECK(rig.Saved(view) == Names{"h.cfg"});
  REQUIRE(manifest.warnings.size() == 1);
  CHECK_THAT(manifest.warnings[0], Catch::StartsWith("the configuration was not checked"));
}

TEST_CASE("haproxy backup: without a configuration there is nothing to save") {
  Rig rig;
  auto session = Unwrap(rig.source().OpenBackup({}));

  REQUIRE_FAILS(session->Prepare({}), ErrorCode::kNotFound, rig.Path("h.cfg"));
}

TEST_CASE("haproxy backup: symlinks in a path are saved with their targets") {
  Rig rig;
  rig.Add("archive/a1.pem");
  rig.Add("live/x");
  REQUIRE(::symlink("../archive/a1.pem", rig.Path("live/a.pem").c_str()) == 0);
  REQUIRE(::symlink("live", rig.Path("current").c_str()) == 0);
  rig.Add("h.cfg", "listen l\n bind :1 ssl crt " + rig.Path("current/a.pem") + "\n");
  FakeSnapshotView view;

  Manifest manifest = rig.Save(view);

  CHECK(rig.Saved(view) == Names{"archive/a1.pem", "current", "h.cfg", "live/a.pem"});
  CHECK(manifest.warnings.empty());
}

TEST_CASE("haproxy backup: a configuration that changes during the backup is reported") {
  Rig rig;
  rig.Add("new");
  rig.Add("h.cfg", "frontend f\n");
  auto session = Unwrap(rig.source().OpenBackup({}));
  REQUIRE_OK(session->Prepare({}));
  REQUIRE_OK(session->Cut());
  while (Unwrap(session->Next())) {
  }

  rig.Add("h.cfg", "frontend f\n errorfile 503 " + rig.Path("new") + "\n");

  REQUIRE(Unwrap(session->Finish()).warnings.size() == 1);
}

TEST_CASE("haproxy probe: health, what would be saved, and what is missing") {
  Rig rig;
  rig.Add("h.cfg", "frontend f\n errorfile 503 " + rig.Path("gone") + "\n");

  SourceInfo info = Unwrap(rig.source().Probe({}));

  CHECK(info.healthy);
  CHECK(info.health == "the configuration is valid");
  CHECK(info.identity["server_version"] == "2.6.12");
  CHECK(info.would_save == Names{rig.Path("h.cfg")});
  REQUIRE(info.missing.size() == 1);

  rig.Add("h.cfg", "refuse\n");
  rig.values().Set("reload", "pidfile:" + rig.Path("pid"));
  info = Unwrap(rig.source().Probe({}));
  CHECK_FALSE(info.healthy);
  CHECK_THAT(info.health, Catch::Contains("refuses the configuration"));

  rig.Add("h.cfg", "global\n");
  info = Unwrap(rig.source().Probe({}));
  CHECK_FALSE(info.healthy);
  CHECK_THAT(info.health, Catch::Contains("does not run"));
}
