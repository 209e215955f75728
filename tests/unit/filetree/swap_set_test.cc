#include "common/filetree/swap_set.h"

#include <cstdlib>
#include <filesystem>

#include "common/base/crash_point.h"
#include "tests/support/catch.h"
#include "tests/support/crash_child.h"
#include "tests/support/file_trees.h"
#include "tests/support/results.h"

namespace holdfast::filetree {
namespace {

using namespace holdfast::testing;  // NOLINT

struct Fixture {
  TempDir temp = Unwrap(TempDir::Create("swap-test"));
  std::string top;
  std::string journal;

  explicit Fixture(const std::string& directory = "")
      : top(directory.empty() ? temp.path() : directory), journal(top + "/journal") {
    if (!directory.empty()) return;  // created by the parent process
    REQUIRE_OK(MakeDirectories(top + "/live/dir/below"));
    WriteText(top + "/live/dir/below/f", "old");
    WriteText(top + "/live/file", "old");
    WriteText(top + "/live/gone", "old");
  }
  SwapSet::Record Recorder() const {
    return [path = journal](std::string_view state) {
      return WriteFileAtomic(path, AsBytes(state), 0600);
    };
  }
  // Stages a directory, a file, something new and a removal.
  Result<void> Stage(SwapSet& set) const {
    HF_ASSIGN(std::string dir, set.StagingPath(top + "/live/dir", "RUN"));
    HF_ASSIGN(std::string file, set.StagingPath(top + "/live/file", "RUN"));
    HF_ASSIGN(std::string fresh, set.StagingPath(top + "/live/fresh\xff", "RUN"));
    HF_TRY(set.AddRemoval(top + "/live/gone", "RUN"));
    HF_TRY(set.BeginStaging());
    HF_TRY(MakeDirectories(dir));
    HF_TRY(WriteFileAtomic(dir + "/new", AsBytes("new"), 0600));
    HF_TRY(WriteFileAtomic(file, AsBytes("new"), 0600));
    return WriteFileAtomic(fresh, AsBytes("new"), 0600);
  }
  bool IsOld() const {
    return Exists(top + "/live/dir/below/f") && !Exists(top + "/live/dir/new") &&
           ReadText(top + "/live/file") == "old" && !Exists(top + "/live/fresh\xff") &&
           Exists(top + "/live/gone");
  }
  bool IsNew() const {
    return !Exists(top + "/live/dir/below") && Exists(top + "/live/dir/new") &&
           ReadText(top + "/live/file") == "new" && Exists(top + "/live/fresh\xff") &&
           !Exists(top + "/live/gone");
  }
  bool IsClean() const {
    for (const std::string& line : DescribeTree(top + "/live")) {
      if (line.find(".holdfast-") != std::string::npos) return false;
    }
    return true;
  }
};

TEST_CASE_METHOD(Fixture, "swap set: exchanges everything and keeps it on commit") {
  SwapSet set(Recorder());
  REQUIRE_OK(Stage(set));
  REQUIRE(IsOld());
  REQUIRE_OK(set.Swap());
  REQUIRE(IsNew());
  REQUIRE(set.is_swapped());
  REQUIRE_OK(set.Commit());
  REQUIRE(IsNew());
  REQUIRE(IsClean());
}

TEST_CASE_METHOD(Fixture, "swap set: rolls back from every step, also twice") {
  int steps = GENERATE(0, 1, 2);
  SwapSet set(Recorder());
  if (steps > 0) REQUIRE_OK(Stage(set));
  if (steps > 1) REQUIRE_OK(set.Swap());
  REQUIRE_OK(set.Rollback());
  REQUIRE_OK(set.Rollback());
  REQUIRE(IsOld());
  REQUIRE(IsClean());
}

TEST_CASE_METHOD(Fixture, "swap set: rolls back even if a service rewrote the new state") {
  SwapSet set(Recorder());
  REQUIRE_OK(Stage(set));
  REQUIRE_OK(set.Swap());
  REQUIRE_OK(WriteFileAtomic(top + "/live/file", AsBytes("rewritten"), 0600));
  REQUIRE_OK(WriteFileAtomic(top + "/live/fresh\xff", AsBytes("rewritten"), 0600));
  WriteText(top + "/live/gone", "made again");
  REQUIRE_OK(set.Rollback());
  REQUIRE(IsOld());
  REQUIRE(ReadText(top + "/live/gone") == "old");
  REQUIRE(IsClean());
}

TEST_CASE_METHOD(Fixture, "swap set: a swap that fails halfway can be rolled back") {
  SwapSet set(Recorder());
  REQUIRE_OK(Stage(set));
  WriteText(top + "/live/fresh\xff", "appeared");
  REQUIRE_OK(set.Swap());  // exchanged, not overwritten
  REQUIRE_OK(set.Rollback());
  REQUIRE(ReadText(top + "/live/fresh\xff") == "appeared");

  SwapSet second(Recorder());
  REQUIRE_OK(Stage(second));
  REQUIRE(unlink(second.entries()[1].staged.c_str()) == 0);
  REQUIRE_FAILS(second.Swap(), ErrorCode::kNotFound, "staged");
  REQUIRE_OK(second.Rollback());
  REQUIRE(IsClean());
}

TEST_CASE_METHOD(Fixture, "swap set: targets that cannot be replaced are refused with the reason") {
  SwapSet set(Recorder());
  REQUIRE_FAILS(set.StagingPath("/", "RUN"), ErrorCode::kUnsupported, "while the system runs");
  REQUIRE_FAILS(set.StagingPath("/proc", "RUN"), ErrorCode::kUnsupported, "is a mount point");
  REQUIRE_FAILS(set.StagingPath("relative", "RUN"), ErrorCode::kInvalidArgument, "absolute");
  REQUIRE_FAILS(set.StagingPath(top + "/none/x", "RUN"), ErrorCode::kNotFound, "none");
  REQUIRE_OK(set.StagingPath(top + "/live/file", "RUN"));
  REQUIRE_FAILS(set.StagingPath(top + "/live/file", "RUN"), ErrorCode::kInvalidArgument, "twice");
  REQUIRE_FAILS(set.AddRemoval(top + "/live/none", "RUN"), ErrorCode::kNotFound, "does not exist");
  WriteText(top + "/live/.holdfast-RUN-1", "somebody's");
  REQUIRE_FAILS(set.StagingPath(top + "/live/dir", "RUN"), ErrorCode::kAlreadyExists, "RUN-1");
}

TEST_CASE_METHOD(Fixture,
                 "swap set: a journal that cannot be written stops the swap before any change") {
  bool fails = false;
  SwapSet set([&fails](std::string_view) -> Result<void> {
    if (fails) return Fail(ErrorCode::kNoSpace, "write \"journal\": no space left on device");
    return {};
  });
  REQUIRE_OK(Stage(set));
  fails = true;
  REQUIRE_FAILS(set.Swap(), ErrorCode::kNoSpace, "journal");
  REQUIRE(IsOld());
  REQUIRE_OK(set.Rollback());
  REQUIRE(IsClean());
}

TEST_CASE_METHOD(Fixture, "swap set: names are exchanged in the directory that was opened first") {
  SwapSet set(Recorder());
  REQUIRE_OK(Stage(set));
  // The owner of the directory above replaces it.
  std::filesystem::rename(top + "/live", top + "/away");
  std::filesystem::create_directory(top + "/other");
  WriteText(top + "/other/file", "somebody's");
  std::filesystem::create_directory_symlink(top + "/other", top + "/live");

  REQUIRE_OK(set.Swap());

  REQUIRE(ReadText(top + "/other/file") == "somebody's");
  REQUIRE(ReadText(top + "/away/file") == "new");
  // Recovery does not find the directory at the path in the journal.
  REQUIRE_FAILS(SwapSet::Recover(ReadText(journal), Recorder()), ErrorCode::kDenied, "symlink");
  std::filesystem::remove(top + "/live");
  std::filesystem::rename(top + "/other", top + "/live");
  REQUIRE_FAILS(SwapSet::Recover(ReadText(journal), Recorder()), ErrorCode::kDenied,
                "not the same directory");
  REQUIRE(ReadText(top + "/live/file") == "somebody's");
}

TEST_CASE_METHOD(Fixture,
                 "swap set: a directory that was replaced after staging is not exchanged") {
  SwapSet set(Recorder());
  const std::string staged = Unwrap(set.StagingPath(top + "/live/dir", "RUN"));
  REQUIRE_OK(set.BeginStaging());
  const Fd made = Unwrap(set.MakeDirectory(staged));
  struct stat status {};
  REQUIRE(fstat(made.get(), &status) == 0);
  REQUIRE((status.st_mode & 07777U) == 0700);
  REQUIRE_FAILS(set.MakeDirectory(staged), ErrorCode::kAlreadyExists, "");
  REQUIRE(rename(staged.c_str(), (top + "/moved").c_str()) == 0);
  REQUIRE_OK(MakeDirectories(staged));

  REQUIRE_FAILS(set.Swap(), ErrorCode::kBusy, "another process replaced");
  REQUIRE_OK(set.Rollback());
  REQUIRE(IsOld());
}

TEST_CASE_METHOD(Fixture, "swap set: a damaged journal is refused, and nothing is changed") {
  WriteText(top + "/live/.other", "");
  std::string outside = R"({"swap_version":2,"phase":"staging","entries":[{"target":")" + top +
                        R"(/live/file","staged":")" + top +
                        R"(/live/dir","staged_device":0,"staged_inode":1,"target_inode":1,)"
                        R"("parent_inode":1,"had_target":true,"is_removal":false}]})";
  const std::vector<std::pair<std::string, std::string>> damaged = {
      {"{", "is not a JSON object"},
      {"[]", "is not a JSON object"},
      {"{}", "has missing or malformed fields"},
      {R"({"swap_version":2,"phase":"later","entries":[]})", "has the unknown phase \"later\""},
      {outside, "that is not next to its target"}};
  for (const auto& [state, message] : damaged) {
    const auto refused = SwapSet::Recover(state, Recorder());
    REQUIRE_FAILS(refused, ErrorCode::kCorrupt, message);
    CHECK_THAT(refused.error().message(), !Catch::Contains("exception"));
    CHECK_THAT(refused.error().hint(),
               Catch::Contains("move nothing") && Catch::Contains("\"A damaged restore journal\""));
  }
  REQUIRE_FAILS(SwapSet::Recover(R"({"swap_version":3})", Recorder()), ErrorCode::kUnsupported,
                "version 3");
  REQUIRE(IsOld());
}

#ifdef HOLDFAST_CRASH_POINTS
TEST_CASE("swap set: child", "[.]") {
  Fixture fixture(ChildDirectory());
  SwapSet set(fixture.Recorder());
  REQUIRE_OK(fixture.Stage(set));
  REQUIRE_OK(set.Swap());
  if (std::string(std::getenv("HOLDFAST_CRASH_POINT")).starts_with("swap.rollback")) {
    REQUIRE_OK(set.Rollback());
  }
  REQUIRE_OK(set.Commit());
}

TEST_CASE_METHOD(Fixture, "swap set: after a kill at any point all files are old or all are new") {
  std::string point =
      GENERATE("swap.after_stage", "swap.before_first", "swap.between", "swap.between:2",
               "swap.between:3", "swap.after_last", "swap.before_commit", "swap.after_commit",
               "swap.rollback", "swap.rollback:3");
  INFO(point);
  REQUIRE(RunCrashChild("swap set: child", point, top) == kKilled);

  bool is_committed = point == "swap.after_commit";
  for (int round = 0; round < 2; ++round) {  // recovery may be repeated
    const Recovery did = Unwrap(SwapSet::Recover(ReadText(journal), Recorder()));
    INFO(did.text);
    REQUIRE(did.is_finished == is_committed);
    REQUIRE((is_committed ? IsNew() : IsOld()));
    REQUIRE(IsClean());
  }
}
#endif

}  // namespace
}  // namespace holdfast::filetree
