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

TEST_CASE_METHOD(Fixture, "files restore: a directory is as it was, with nothing left beside it") {
  MakeTree();
  Texts before = DescribeTree(live);
  auto view = Save();
  BreakTree();

  REQUIRE_OK(Restore(*view));

  REQUIRE(DescribeTree(live) == before);
  REQUIRE(IsClean());
  REQUIRE(changes.at(0) == "replaced " + live);
}

TEST_CASE_METHOD(Fixture, "files restore: single files, links and what is gone come back") {
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

TEST_CASE_METHOD(Fixture, "files restore: what the snapshot leaves out is kept") {
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
  auto session = Unwrap(OpenRestore({view.get(), &journal}));
  REQUIRE_OK(Steps(*session));
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
  REQUIRE_FALSE(Exists(live + "/new/a.log"));  // removed after it was brought: stays so
  REQUIRE(Unwrap(filetree::ReadAttributes(live + "/d")).mtime.seconds == 1'000'000'000);
  REQUIRE(IsClean());
}

TEST_CASE_METHOD(Fixture, "files restore: what could not be read then is not lost") {
  MakeTree();
  auto view = Save();
  view->nodes.erase("data" + live + "/top");
  view->the_manifest->missing.push_back({live + "/top", "permission denied", ""});
  REQUIRE_OK(Restore(*view));
  REQUIRE(ReadText(live + "/top") == "saved");
}

TEST_CASE_METHOD(Fixture, "files restore: refused before anything is touched") {
  MakeTree();
  auto view = Save();
  Texts before = DescribeTree(top);

  SECTION("a path that is not configured any more") {
    values.Set("paths", Texts{top + "/other"});
    REQUIRE_FAILS(Restore(*view), ErrorCode::kDenied, "not configured any more");
  }
  SECTION("a snapshot that does not say its roots") {
    view->the_manifest->details.clear();
    REQUIRE_FAILS(Restore(*view), ErrorCode::kUnsupported, "which paths");
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
    REQUIRE_FAILS(Restore(*view), ErrorCode::kUnsupported, "is a mount point");
  }
  REQUIRE(DescribeTree(top) == before);
  REQUIRE(journal.states.empty());
}

TEST_CASE_METHOD(Fixture, "files restore: a symlink in the place of a directory is not followed") {
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
  SECTION("what was staged is not what the snapshot has") {
    auto session = Unwrap(OpenRestore({view.get(), &journal}));
    Progress progress;
    REQUIRE_OK(session->Preflight({}));
    REQUIRE_OK(session->Stage(progress, {}));
    view->nodes.at("data" + live + "/top").attributes.mode = 0600;
    REQUIRE_FAILS(session->Validate({}), ErrorCode::kCorrupt, "/top");
    REQUIRE_OK(session->Rollback());
  }
  SECTION("rolled back after the swap") {
    auto session = Unwrap(OpenRestore({view.get(), &journal}));
    REQUIRE_OK(Steps(*session));
    REQUIRE(ReadText(live + "/top") == "saved");
    REQUIRE_OK(session->Rollback());
    REQUIRE_OK(session->Rollback());
  }
  SECTION("dropped after staging") {
    auto session = Unwrap(OpenRestore({view.get(), &journal}));
    Progress progress;
    REQUIRE_OK(session->Preflight({}));
    REQUIRE_OK(session->Stage(progress, {}));
  }
  SECTION("stopped by request") {
    auto session = Unwrap(OpenRestore({view.get(), &journal}));
    Progress progress;
    std::stop_source stop;
    REQUIRE_OK(session->Preflight({}));
    stop.request_stop();
    REQUIRE_FAILS(session->Stage(progress, stop.get_token()), ErrorCode::kCancelled, "stopped");
  }
  REQUIRE(DescribeTree(live) == before);
  REQUIRE(IsClean());
}

TEST_CASE_METHOD(Fixture, "files restore: without rights it is refused with a way out") {
  REQUIRE(chmod(top.c_str(), 0755) == 0);
  MakeTree();
  auto view = Save();
  bool is_refused = AsNobody([&] {
    auto session = OpenRestore({view.get(), &journal});
    Result<void> looked = (*session)->Preflight({});
    return !looked && looked.error().code() == ErrorCode::kDenied &&
           looked.error().Text().find("as root") != std::string::npos;
  });
  if (geteuid() == 0) REQUIRE(is_refused);
}

#ifdef HOLDFAST_CRASH_POINTS
TEST_CASE("files restore: child", "[.]") {
  Fixture fixture(ChildDirectory());
  auto view =
      fixture.Save();  // what is there now: broken; its content is replaced by the saved one
  for (auto& [path, node] : view->nodes) {
    if (path == "data" + fixture.live + "/top") node.content = ToBytes("saved!");
  }
  FileJournal journal(fixture.top + "/journal");
  auto session = Unwrap(fixture.OpenRestore({view.get(), &journal}));
  REQUIRE_OK(FilesFixture::Steps(*session));
  if (std::string(std::getenv("HOLDFAST_CRASH_POINT")) == "swap.rollback") {
    REQUIRE_OK(session->Rollback());
  }
  REQUIRE_OK(session->Commit());
}

TEST_CASE_METHOD(Fixture, "files restore: killed at any place it is done or undone afterwards") {
  std::string point = GENERATE(
      "restore.file.before_rename", "restore.file.after_rename", "restore.file.before_rename:2",
      "restore.directory.before_attributes", "swap.after_stage", "swap.before_first",
      "swap.after_last", "swap.before_commit", "swap.after_commit", "swap.rollback");
  INFO(point);
  MakeTree();
  WriteText(live + "/top", "broken");

  REQUIRE(RunCrashChild("files restore: child", point, top) == kKilled);
  std::string did = Unwrap(Recover(ReadText(top + "/journal")));
  INFO(did);

  REQUIRE(ReadText(live + "/top") == (point == "swap.after_commit" ? "saved!" : "broken"));
  REQUIRE(ReadText(live + "/d/e/f") == "saved");
  REQUIRE(IsClean());
}
#endif

}  // namespace
}  // namespace holdfast
