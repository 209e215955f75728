#include "agent/sources/haproxy/state_files.h"

#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/catch.h"
#include "tests/support/file_trees.h"
#include "tests/support/results.h"

namespace holdfast::haproxy {
namespace {

using testing::Exists;
using testing::ReadText;
using testing::Unwrap;
using testing::WriteText;

constexpr std::string_view kState =
    "1\n# be_id be_name srv_id srv_name\n5 app 1 s1\n6 app2 1 s1\n5 app 2 s2\n";

std::vector<std::string> Names(const std::string& directory) {
  std::vector<std::string> lines;
  for (const std::string& line : testing::DescribeTree(directory)) lines.push_back(line);
  return lines;
}

TEST_CASE("haproxy state files: the content is replaced temporarily, and restored") {
  const TempDir directory = Unwrap(TempDir::Create("state-files"));
  const std::string& top = directory.path();
  WriteText(top + "/all", "former\n", 0640);
  REQUIRE(::symlink("all", (top + "/link").c_str()) == 0);
  const std::vector<std::string> before = Names(top);
  const StateFiles files(
      {StateFiles::Real({top + "/link", ""}), StateFiles::Real({top + "/app", "app"})}, "id");
  REQUIRE(files.paths() == std::vector<std::string>{top + "/all", top + "/app"});

  REQUIRE_OK(files.TakeBack());
  REQUIRE(Names(top) == before);
  for (int round = 0; round < 2; ++round) {
    REQUIRE_OK(files.Put(kState));
    REQUIRE(ReadText(top + "/link") == kState);
    REQUIRE(ReadText(top + "/app") ==
            "1\n# be_id be_name srv_id srv_name\n5 app 1 s1\n5 app 2 s2\n");
    struct stat status {};
    REQUIRE(::stat((top + "/all").c_str(), &status) == 0);
    REQUIRE((status.st_mode & 07777U) == 0640);
    // As after a crash: anyone who knows the names can do it.
    REQUIRE_OK(StateFiles({{top + "/all", ""}, {top + "/app", ""}}, "id").TakeBack());
    REQUIRE(ReadText(top + "/all") == "former\n");
    REQUIRE_FALSE(Exists(top + "/app"));
    REQUIRE_OK(files.TakeBack());
    REQUIRE(ReadText(top + "/all") == "former\n");
  }
  REQUIRE(Names(top).size() == before.size());
}

TEST_CASE("haproxy state files: a crash between two steps is undone") {
  const TempDir directory = Unwrap(TempDir::Create("state-files"));
  const std::string& top = directory.path();
  const StateFiles files({{top + "/all", ""}}, "id");
  SECTION("the former file was set aside") {
    WriteText(top + "/.holdfast-id-state-all", "former\n");
    REQUIRE_OK(files.TakeBack());
    REQUIRE(ReadText(top + "/all") == "former\n");
  }
  SECTION("a marker says that no file existed") {
    WriteText(top + "/.holdfast-id-none-all", "");
    REQUIRE_OK(files.TakeBack());
    REQUIRE_FALSE(Exists(top + "/all"));
  }
  REQUIRE_FALSE(Exists(top + "/.holdfast-id-state-all"));
  REQUIRE_FALSE(Exists(top + "/.holdfast-id-none-all"));
}

TEST_CASE("haproxy state files: a file that replaces a symlink is not open to all users") {
  const TempDir directory = Unwrap(TempDir::Create("state-files"));
  const std::string& top = directory.path();
  REQUIRE(::symlink("nowhere", (top + "/state").c_str()) == 0);
  const StateFiles files({StateFiles::Real({top + "/state", ""})}, "id");
  REQUIRE_OK(files.Put(kState));
  struct stat status {};
  REQUIRE(::lstat((top + "/state").c_str(), &status) == 0);
  REQUIRE(status.st_mode == (S_IFREG | 0600U));
  REQUIRE_OK(files.TakeBack());
  REQUIRE(::lstat((top + "/state").c_str(), &status) == 0);
  REQUIRE(S_ISLNK(status.st_mode));
}

// The owner of a directory above the file replaces it with a symlink.
TEST_CASE("haproxy state files: a directory that becomes a symlink is not followed") {
  const TempDir directory = Unwrap(TempDir::Create("state-files"));
  const std::string& top = directory.path();
  for (const char* name : {"/owned", "/victim", "/link"}) {
    REQUIRE_OK(MakeDirectories(top + name));
  }
  REQUIRE(::rmdir((top + "/link").c_str()) == 0);
  REQUIRE(::symlink("owned", (top + "/link").c_str()) == 0);
  WriteText(top + "/victim/state", "root's\n");
  WriteText(top + "/owned/state", "former\n");
  const StateFiles files(
      {StateFiles::Real({top + "/link/state", ""}), StateFiles::Real({top + "/link/new", ""})},
      "id");
  REQUIRE(files.paths() == std::vector<std::string>{top + "/owned/state", top + "/owned/new"});
  REQUIRE_OK(files.Put(kState));
  REQUIRE_OK(files.TakeBack());
  const std::vector<std::string> before = Names(top + "/victim");

  REQUIRE(::rename((top + "/owned").c_str(), (top + "/moved").c_str()) == 0);
  REQUIRE(::symlink("victim", (top + "/owned").c_str()) == 0);
  REQUIRE_FAILS(files.Put(kState), ErrorCode::kDenied, "symlink");
  REQUIRE(Names(top + "/victim") == before);
  WriteText(top + "/victim/.holdfast-id-state-state", "evil\n");
  REQUIRE_FAILS(files.TakeBack(), ErrorCode::kDenied, "symlink");
  REQUIRE(ReadText(top + "/victim/state") == "root's\n");
}

TEST_CASE("haproxy state files: a file shared by two backends has the state of both") {
  const TempDir directory = Unwrap(TempDir::Create("state-files"));
  const std::string file = directory.path() + "/both";
  const StateFiles files({{file, "app"}, {file, "app2"}}, "id");
  REQUIRE_OK(files.Put(kState));
  REQUIRE(ReadText(file) == kState);
  REQUIRE_OK(files.TakeBack());
}

}  // namespace
}  // namespace holdfast::haproxy
