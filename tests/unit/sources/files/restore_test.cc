#include <sys/xattr.h>

#include "tests/support/crash_child.h"
#include "tests/unit/sources/files/fixture.h"

namespace holdfast {
namespace {

using namespace holdfast::testing;  // NOLINT

using Texts = std::vector<std::string>;

struct Fixture : FilesFixture {
  explicit Fixture(const std::string& directory = "") : FilesFixture(directory) {}
  void MakeTree() const {
    REQUIRE_OK(MakeDirectories(live + "/d/e"));
    WriteText(live + "/d/e/f", "saved", 04755);
    WriteText(live + "/top", "saved");
    REQUIRE(symlink("top", (live + "/link").c_str()) == 0);
    REQUIRE(setxattr((live + "/d").c_str(), "user.x", "y", 1, 0) == 0);
    SetTime(live + "/d", 1'000'000'000);
  }
  void BreakTree() const {
    WriteText(live + "/top", "broken");
    REQUIRE(unlink((live + "/d/e/f").c_str()) == 0);
    WriteText(live + "/later", "came after the snapshot");
  }
};

// Lines like "replaced top file" for each change below the live directory, sorted.
Texts PreviewOf(Fixture& fixture, FakeSnapshotView& view, const std::string& path,
                Texts* lines = nullptr) {
  auto session = Unwrap(fixture.OpenRestore(
      {.snapshot = &fixture.Untrusted(view), .journal = &fixture.journal, .path = path}));
  REQUIRE_OK(session->Preflight({}));
  Texts changes;
  const auto visit = [&](const PlannedChange& change) -> Result<void> {
    REQUIRE(change.name.starts_with(fixture.live));
    const std::string name =
        change.name == fixture.live ? "." : change.name.substr(fixture.live.size() + 1);
    changes.push_back(change.action + " " + name + " " + change.what + " (" + change.there + ")");
    return {};
  };
  Texts said = Unwrap(session->Preview(visit, {}));
  if (lines != nullptr) *lines = std::move(said);
  std::ranges::sort(changes);
  return changes;
}

TEST_CASE_METHOD(Fixture,
                 "files restore: a directory is restored, and nothing is left next to it") {
  MakeTree();
  Texts before = DescribeTree(live);
  auto view = Save();
  BreakTree();

  REQUIRE_OK(Restore(*view));

  REQUIRE(DescribeTree(live) == before);
  REQUIRE(IsClean());
  REQUIRE(changes.at(0) == "replaced " + live);
}

// The owner of a directory above the target replaces it with a symlink while root restores.
TEST_CASE_METHOD(Fixture, "files restore: a directory that becomes a symlink is not followed") {
  const std::string above = top + "/owned";
  const std::string victim = top + "/victim";
  const std::string moved = top + "/moved";
  live = above + "/live";
  REQUIRE_OK(MakeDirectories(live));
  values.Set("exclude", Texts{"*.log"});
  values.Set("paths", Texts{GENERATE(true, false) ? live : live + "/top"});
  MakeTree();
  WriteText(live + "/own.log", "kept");
  auto view = Save();
  BreakTree();
  REQUIRE_OK(MakeDirectories(victim + "/live/d"));
  WriteText(victim + "/live/top", "root's");
  WriteText(victim + "/live/root.log", "root's");
  const Texts before = DescribeTree(victim);
  const auto replace = [&] {
    REQUIRE(rename(above.c_str(), moved.c_str()) == 0);
    REQUIRE(symlink(victim.c_str(), above.c_str()) == 0);
  };
  Progress progress;

  SECTION("before the files are staged") {
    auto session = Unwrap(OpenRestore({.snapshot = &Untrusted(*view), .journal = &journal}));
    REQUIRE_OK(session->Preflight({}));
    replace();
    REQUIRE_OK(session->Stage(progress, {}));
    REQUIRE(DescribeTree(victim) == before);
    REQUIRE_OK(session->Validate({}));
    REQUIRE_OK(session->Rollback());
  }
  SECTION("before the old files are removed") {
    auto session = Unwrap(OpenRestore({.snapshot = &Untrusted(*view), .journal = &journal}));
    REQUIRE_OK(SwapRestore(*session));
    replace();
    REQUIRE_OK(session->Commit());
    REQUIRE(ReadText(moved + "/live/top") == "saved");
  }
  REQUIRE(DescribeTree(victim) == before);
  REQUIRE(ReadText(moved + "/live/own.log") == "kept");
  REQUIRE_FALSE(Exists(moved + "/live/root.log"));
  REQUIRE(IsClean());
}

// The owner of the directory above the target renames what root stages there.
TEST_CASE_METHOD(Fixture,
                 "files restore: a directory that replaces the staged one is not changed") {
  MakeTree();
  auto view = Save();
  BreakTree();
  const std::string secret = top + "/private";
  REQUIRE(mkdir(secret.c_str(), 0700) == 0);
  WriteText(secret + "/key", "root's", 0600);
  const Texts before = DescribeTree(secret);
  std::string staged;
  view->on_extract = [&](const std::string& /*directory*/) {
    REQUIRE(rename(staged.c_str(), (top + "/moved").c_str()) == 0);
    REQUIRE(rename(secret.c_str(), staged.c_str()) == 0);
  };
  auto session = Unwrap(OpenRestore({.snapshot = &Untrusted(*view), .journal = &journal}));
  REQUIRE_OK(session->Preflight({}));
  staged = session->StagedPaths().at(0);
  Progress progress;

  REQUIRE_OK(session->Stage(progress, {}));

  REQUIRE(DescribeTree(staged) == before);
  REQUIRE_FAILS(session->Swap({}), ErrorCode::kBusy, "another process replaced");
  REQUIRE(ReadText(live + "/top") == "broken");
}

TEST_CASE_METHOD(Fixture, "files restore: single files, links and deleted files are restored") {
  MakeTree();
  values.Set("paths", Texts{live + "/top", live + "/link", live + "/d/e/f"});
  auto view = Save();
  WriteText(live + "/top", "broken");
  WriteText(live + "/stays", "x");
  REQUIRE(unlink((live + "/link").c_str()) == 0);
  REQUIRE(symlink("elsewhere", (live + "/link").c_str()) == 0);
  REQUIRE_OK(RemoveTree(live + "/d"));

  REQUIRE_OK(Restore(*view));

  REQUIRE(ReadText(live + "/top") == "saved");
  REQUIRE(ReadText(live + "/link") == "saved");
  REQUIRE(Exists(live + "/stays"));
  Attributes made = Unwrap(filetree::ReadAttributes(live + "/d"));
  REQUIRE(made.mtime.seconds == 1'000'000'000);
  REQUIRE(made.extended.size() == 1);
  REQUIRE(Unwrap(filetree::ReadAttributes(live + "/d/e/f")).mode == 04755);
  REQUIRE(IsClean());
}

TEST_CASE_METHOD(Fixture, "files restore: entries excluded from the snapshot are kept") {
  MakeTree();
  values.Set("exclude", Texts{"*.log", "spool"});
  values.Set("skip_cache_dirs", true);
  REQUIRE_OK(MakeDirectories(live + "/d/spool/deep"));
  REQUIRE_OK(MakeDirectories(live + "/cache"));
  WriteText(live + "/cache/CACHEDIR.TAG", "Signature: 8a477f597d28d172789f06886806bc55");
  SetTime(live + "/d", 1'000'000'000);
  auto view = Save();
  WriteText(live + "/d/app.log", "log");
  WriteText(live + "/d/spool/deep/job", "job");
  WriteText(live + "/cache/entry", "cached");
  REQUIRE_OK(MakeDirectories(live + "/new"));
  WriteText(live + "/new/a.log", "log");
  WriteText(live + "/new/dropped", "x");
  Fd log = Unwrap(OpenFile(live + "/d/app.log", O_WRONLY | O_APPEND));
  auto session = Unwrap(OpenRestore({&Untrusted(*view), &journal}));
  REQUIRE_OK(SwapRestore(*session));
  REQUIRE_OK(WriteAll(log.get(), AsBytes(" goes on"), "log"));
  std::string old = live.substr(0, live.rfind('/')) + "/";
  for (const std::string& line : DescribeTree(top)) {
    std::size_t at = line.find("/.holdfast-");
    if (at == 0) old = top + line.substr(0, line.find_first_of("/ ", 1));
  }
  WriteText(old + "/d/spool/late", "made in the old directory after it was staged");
  REQUIRE(unlink((live + "/new/a.log").c_str()) == 0);
  REQUIRE_OK(session->Commit());

  REQUIRE(ReadText(live + "/d/app.log") == "log goes on");
  REQUIRE(ReadText(live + "/d/spool/deep/job") == "job");
  REQUIRE(ReadText(live + "/d/spool/late") == "made in the old directory after it was staged");
  REQUIRE(ReadText(live + "/cache/entry") == "cached");
  REQUIRE_FALSE(Exists(live + "/new/dropped"));
  REQUIRE_FALSE(Exists(live + "/new/a.log"));  // deleted after it was carried over
  REQUIRE(Unwrap(filetree::ReadAttributes(live + "/d")).mtime.seconds == 1'000'000'000);
  REQUIRE(IsClean());
}

TEST_CASE_METHOD(Fixture, "files restore: a file that was unreadable at backup is not lost") {
  MakeTree();
  auto view = Save();
  view->nodes.erase("data" + live + "/top");
  view->the_manifest->missing.push_back({live + "/top", "permission denied", ""});
  REQUIRE_OK(Restore(*view));
  REQUIRE(ReadText(live + "/top") == "saved");
}

TEST_CASE_METHOD(Fixture, "files restore: refused before anything is changed") {
  MakeTree();
  auto view = Save();
  Texts before = DescribeTree(top);

  SECTION("a path that is no longer configured") {
    values.Set("paths", Texts{top + "/other"});
    REQUIRE_FAILS(Restore(*view), ErrorCode::kDenied, "no longer configured");
  }
  SECTION("a selected path that the node does not allow") {
    values.Set("paths", Texts{top + "/other"});
    const auto refused = Restore(*view, "data" + live + "/d");
    REQUIRE_FAILS(refused, ErrorCode::kDenied, live + "/d\", which --path selects");
    CHECK_THAT(refused.error().message(), !Catch::Contains("no longer configured"));
    CHECK_THAT(refused.error().hint(), Catch::Contains("\"in_place_roots\""));
  }
  SECTION("a snapshot without its roots") {
    view->the_manifest->details.clear();
    REQUIRE_FAILS(Restore(*view), ErrorCode::kUnsupported,
                  "the snapshot does not record its paths");
  }
  SECTION("a snapshot without a manifest") {
    view->the_manifest.reset();
    REQUIRE_FAILS(Restore(*view), ErrorCode::kUnsupported, "no manifest");
  }
  SECTION("too little space") {
    view->nodes.at("data" + live + "/top").attributes.size = 1ULL << 60;
    REQUIRE_FAILS(Restore(*view), ErrorCode::kNoSpace, "are free");
  }
  SECTION("a mount point") {
    values.Set("paths", Texts{"/proc"});
    view->the_manifest->details["roots"] = {"/proc"};
    view->nodes["data/proc"].attributes.type = NodeType::kDirectory;
    // Without permission to write to "/", the restore fails earlier, with another error.
    if (access("/", W_OK) == 0)
      REQUIRE_FAILS(Restore(*view), ErrorCode::kUnsupported, "is a mount point");
  }
  REQUIRE(DescribeTree(top) == before);
  REQUIRE(journal.states.empty());
}

TEST_CASE_METHOD(Fixture,
                 "files restore: only configured paths are restored, and those of the policy") {
  MakeTree();
  REQUIRE_OK(MakeDirectories(top + "/other"));
  WriteText(top + "/other/x", "saved");
  values.Set("paths", Texts{live, top + "/other"});
  auto view = Save();
  view->the_manifest->details["roots"].push_back(live + "/../other");
  view->the_manifest->details["roots"].push_back(live + "//d");
  values.Set("paths", Texts{live});
  WriteText(top + "/other/x", "live");
  WriteText(live + "/top", "broken");
  const auto is_left = [this](const std::string& path) {
    return std::ranges::find(changes, "left " + path +
                                          " as it is: neither the node's configuration nor "
                                          "\"in_place_roots\" names it") != changes.end();
  };

  SECTION("not named") {
    REQUIRE_OK(Restore(*view));
    CHECK(ReadText(top + "/other/x") == "live");
    CHECK(is_left(top + "/other"));
  }
  SECTION("named by the policy") {
    policy.roots = {top + "/other"};
    REQUIRE_OK(Restore(*view));
    CHECK(ReadText(top + "/other/x") == "saved");
  }
  CHECK(ReadText(live + "/top") == "saved");
  CHECK(is_left(live + "/../other"));
  CHECK(is_left(live + "//d"));
}

TEST_CASE_METHOD(Fixture,
                 "files restore: special rights are left out, and live files stay in their place") {
  special = SpecialRights::None();
  MakeTree();
  WriteText(live + "/d/pipe", "a file");
  auto view = Save();
  for (const char* name : {"/d/pipe", "/d/new"}) {
    view->nodes["data" + live + name].attributes.type = NodeType::kFifo;
  }
  WriteText(live + "/d/later", "came after the snapshot");
  Texts lines;
  const Texts planned = PreviewOf(*this, *view, "", &lines);
  CHECK(std::ranges::find(planned, "removed d/later file (not in the snapshot)") != planned.end());
  CHECK(std::ranges::none_of(planned, [](const std::string& one) {
    return one.find("pipe") != std::string::npos || one.find("new") != std::string::npos;
  }));

  REQUIRE_OK(Restore(*view));

  CHECK(ReadText(live + "/d/pipe") == "a file");
  CHECK_FALSE(Exists(live + "/d/new"));
  CHECK_FALSE(Exists(live + "/d/later"));
  CHECK(Unwrap(filetree::ReadAttributes(live + "/d/e/f")).mode == 0755);
  const Texts left = untrusted.back()->left_out().Lines();
  CHECK(left == Texts{"left out data" + live + "/d/new: it is a FIFO",
                      "left out data" + live + "/d/pipe: it is a FIFO",
                      "left out of data" + live + "/d/e/f: setuid"});
}

TEST_CASE_METHOD(Fixture, "files restore: a symlink in place of a directory is not followed") {
  REQUIRE_OK(MakeDirectories(live + "/d"));
  WriteText(live + "/d/f", "saved");
  values.Set("paths", Texts{live + "/d/f"});
  auto view = Save();
  REQUIRE(rename((live + "/d").c_str(), (top + "/moved").c_str()) == 0);
  REQUIRE(symlink((top + "/moved").c_str(), (live + "/d").c_str()) == 0);
  WriteText(top + "/moved/f", "live");

  REQUIRE_FAILS(Restore(*view), ErrorCode::kDenied, "");
  REQUIRE(ReadText(top + "/moved/f") == "live");
}

TEST_CASE_METHOD(Fixture,
                 "files restore: a failure while staging or after the swap leaves no trace") {
  MakeTree();
  auto view = Save();
  BreakTree();
  Texts before = DescribeTree(live);

  SECTION("staging fails") {
    view->extract_items_max = 2;
    REQUIRE_FAILS(Restore(*view), ErrorCode::kNoSpace, "no space");
  }
  SECTION("a staged file differs from the snapshot") {
    auto session = Unwrap(OpenRestore({&Untrusted(*view), &journal}));
    Progress progress;
    REQUIRE_OK(session->Preflight({}));
    REQUIRE_OK(session->Stage(progress, {}));
    view->nodes.at("data" + live + "/top").attributes.mode = 0600;
    REQUIRE_FAILS(session->Validate({}), ErrorCode::kCorrupt, "/top");
    REQUIRE_OK(session->Rollback());
  }
  SECTION("rolled back after the swap") {
    auto session = Unwrap(OpenRestore({&Untrusted(*view), &journal}));
    REQUIRE_OK(SwapRestore(*session));
    REQUIRE(ReadText(live + "/top") == "saved");
    REQUIRE_OK(session->Rollback());
    REQUIRE_OK(session->Rollback());
  }
  SECTION("dropped after staging") {
    auto session = Unwrap(OpenRestore({&Untrusted(*view), &journal}));
    Progress progress;
    REQUIRE_OK(session->Preflight({}));
    REQUIRE_OK(session->Stage(progress, {}));
  }
  SECTION("stopped on request") {
    auto session = Unwrap(OpenRestore({&Untrusted(*view), &journal}));
    Progress progress;
    std::stop_source stop;
    REQUIRE_OK(session->Preflight({}));
    stop.request_stop();
    REQUIRE_FAILS(session->Stage(progress, stop.get_token()), ErrorCode::kCancelled, "stopped");
  }
  REQUIRE(DescribeTree(live) == before);
  REQUIRE(IsClean());
}

TEST_CASE_METHOD(Fixture, "files restore: one path is restored, and nothing outside it changes") {
  MakeTree();
  WriteText(live + "/d/beside", "saved");
  auto view = Save();
  BreakTree();
  WriteText(live + "/d/beside", "changed");
  WriteText(live + "/d/e/new", "came after the snapshot");

  SECTION("a directory") {
    REQUIRE_OK(Restore(*view, "data" + live + "/d/e"));
    REQUIRE(ReadText(live + "/d/e/f") == "saved");
    REQUIRE_FALSE(Exists(live + "/d/e/new"));
    REQUIRE(ReadText(live + "/top") == "broken");
    REQUIRE(changes.at(0) == "replaced " + live + "/d/e");
  }
  SECTION("an existing file") {
    REQUIRE_OK(Restore(*view, "data" + live + "/top"));
    REQUIRE(ReadText(live + "/top") == "saved");
    REQUIRE(Exists(live + "/d/e/new"));
    REQUIRE_FALSE(Exists(live + "/d/e/f"));
  }
  SECTION("a deleted file") {
    REQUIRE_OK(Restore(*view, "data" + live + "/d/e/f"));
    REQUIRE(ReadText(live + "/d/e/f") == "saved");
    REQUIRE(Exists(live + "/d/e/new"));
    REQUIRE(ReadText(live + "/top") == "broken");
    REQUIRE(changes.at(0) == "created " + live + "/d/e/f");
  }
  SECTION("the whole source") {
    REQUIRE_OK(Restore(*view, "data" + live));
    REQUIRE_FALSE(Exists(live + "/later"));
    REQUIRE(ReadText(live + "/d/beside") == "saved");
    return;
  }
  REQUIRE(ReadText(live + "/later") == "came after the snapshot");
  REQUIRE(ReadText(live + "/d/beside") == "changed");
  REQUIRE(IsClean());
}

TEST_CASE_METHOD(Fixture, "files restore: a restore of one path keeps excluded entries") {
  MakeTree();
  values.Set("exclude", Texts{"*.log"});
  auto view = Save();
  WriteText(live + "/d/e/a.log", "log");
  WriteText(live + "/d/e/new", "x");

  REQUIRE_OK(Restore(*view, "data" + live + "/d"));

  REQUIRE(ReadText(live + "/d/e/a.log") == "log");
  REQUIRE_FALSE(Exists(live + "/d/e/new"));
}

TEST_CASE_METHOD(Fixture, "files restore: a path whose restore would affect others is refused") {
  MakeTree();
  auto view = Save();
  REQUIRE_OK(RemoveTree(live + "/d"));
  const Texts before = DescribeTree(live);

  REQUIRE_FAILS(Restore(*view, "data" + live + "/d/e/f"), ErrorCode::kNotFound,
                live + "/d\" does not exist");
  REQUIRE_FAILS(Restore(*view, "data/elsewhere"), ErrorCode::kInvalidArgument,
                "\"/elsewhere\" is not in a path of the source");
  REQUIRE_FAILS(Restore(*view, "manifest.json"), ErrorCode::kInvalidArgument,
                "expected a path below \"data\"");
  REQUIRE_FAILS(Restore(*view, "datax" + live), ErrorCode::kInvalidArgument,
                "not restored in place");
  REQUIRE(DescribeTree(live) == before);
  REQUIRE(IsClean());
}

TEST_CASE_METHOD(Fixture,
                 "files restore: a failed restore of one path is rolled back after the swap") {
  MakeTree();
  auto view = Save();
  BreakTree();
  auto session = Unwrap(OpenRestore(
      {.snapshot = &Untrusted(*view), .journal = &journal, .path = "data" + live + "/top"}));
  REQUIRE_OK(SwapRestore(*session));
  REQUIRE(ReadText(live + "/top") == "saved");
  const std::string state = journal.states.back();

  REQUIRE_OK(session->Rollback());

  REQUIRE(ReadText(live + "/top") == "broken");
  REQUIRE(Exists(live + "/later"));
  REQUIRE_OK(Recover(state));
  REQUIRE(ReadText(live + "/top") == "broken");
  REQUIRE(IsClean());
}

TEST_CASE_METHOD(Fixture, "files restore: a dry run lists the changes, and changes nothing") {
  MakeTree();
  values.Set("exclude", Texts{"*.log"});
  REQUIRE_OK(MakeDirectories(live + "/same"));
  WriteText(live + "/same/file", "as it is");
  auto view = Save();
  BreakTree();
  REQUIRE_OK(MakeDirectories(live + "/gone/deep"));
  WriteText(live + "/gone/deep/x", "x");
  REQUIRE_OK(MakeDirectories(live + "/stays/deep"));
  WriteText(live + "/stays/deep/a.log", "log");
  WriteText(live + "/stays/x", "x");
  REQUIRE(unlink((live + "/link").c_str()) == 0);
  REQUIRE_OK(MakeDirectories(live + "/link"));
  WriteText(live + "/link/x", "x");
  REQUIRE(chmod((live + "/same/file").c_str(), 0600) == 0);
  const Texts before = DescribeTree(top);

  Texts lines;
  CHECK(PreviewOf(*this, *view, "", &lines) ==
        Texts{"created d/e/f file (missing)", "removed gone directory (not in the snapshot)",
              "removed gone/deep directory (not in the snapshot)",
              "removed gone/deep/x file (not in the snapshot)",
              "removed later file (not in the snapshot)",
              "removed link/x file (not in the snapshot)",
              "removed stays/x file (not in the snapshot)", "replaced link symlink (a directory)",
              "replaced same/file file (different owner or mode)",
              "replaced top file (different content or time)"});
  CHECK(lines ==
        Texts{"4 other items unchanged", "would keep 1 item that the snapshot leaves out"});
  CHECK(PreviewOf(*this, *view, "data" + live + "/d") == Texts{"created d/e/f file (missing)"});
  CHECK(PreviewOf(*this, *view, "data" + live + "/top") ==
        Texts{"replaced top file (different content or time)"});
  CHECK(DescribeTree(top) == before);
  CHECK(journal.states.empty());

  REQUIRE_OK(RemoveTree(live));
  CHECK(PreviewOf(*this, *view, "").size() == 8);
}

TEST_CASE_METHOD(Fixture, "files restore: without permission it is refused with a hint") {
  REQUIRE(chmod(top.c_str(), 0755) == 0);
  MakeTree();
  auto view = Save();
  bool is_refused = AsNobody([&] {
    auto session = OpenRestore({&Untrusted(*view), &journal});
    Result<void> looked = (*session)->Preflight({});
    return !looked && looked.error().code() == ErrorCode::kDenied &&
           looked.error().Text().find("as root") != std::string::npos;
  });
  if (geteuid() == 0) REQUIRE(is_refused);
}

#ifdef HOLDFAST_CRASH_POINTS
TEST_CASE("files restore: child", "[.]") {
  Fixture fixture(ChildDirectory());
  // The broken state, in which one file gets its saved content again.
  auto view = fixture.Save();
  for (auto& [path, node] : view->nodes) {
    if (path == "data" + fixture.live + "/top") node.content = ToBytes("saved!");
  }
  FileJournal journal(fixture.top + "/journal");
  // The second scenario restores a single file.
  const bool is_path = Exists(fixture.top + "/path");
  auto session = Unwrap(
      fixture.OpenRestore({.snapshot = &fixture.Untrusted(*view),
                           .journal = &journal,
                           .path = is_path ? "data" + fixture.live + "/top" : std::string()}));
  REQUIRE_OK(SwapRestore(*session));
  if (std::string(std::getenv("HOLDFAST_CRASH_POINT")) == "swap.rollback") {
    REQUIRE_OK(session->Rollback());
  }
  REQUIRE_OK(session->Commit());
}

TEST_CASE_METHOD(Fixture,
                 "files restore: after a kill at any point the restore is done or undone") {
  std::string point = GENERATE(
      "restore.file.before_rename", "restore.file.after_rename", "restore.file.before_rename:2",
      "restore.directory.before_attributes", "swap.after_stage", "swap.before_first",
      "swap.after_last", "swap.before_commit", "swap.after_commit", "swap.rollback");
  const bool is_path = GENERATE(false, true);
  INFO(point << (is_path ? " path" : ""));
  // A single file is staged without directories and without a second file.
  if (is_path && (point.ends_with(":2") || point == "restore.directory.before_attributes")) return;
  MakeTree();
  if (is_path) WriteText(top + "/path", "");
  WriteText(live + "/top", "broken");

  REQUIRE(RunCrashChild("files restore: child", point, top) == kKilled);
  const filetree::Recovery did = Unwrap(Recover(ReadText(top + "/journal")));
  INFO(did.text);

  REQUIRE(ReadText(live + "/top") == (point == "swap.after_commit" ? "saved!" : "broken"));
  REQUIRE(ReadText(live + "/d/e/f") == "saved");
  REQUIRE(IsClean());
}
#endif

}  // namespace
}  // namespace holdfast
