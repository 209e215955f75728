#include "agent/sources/member/staging_directory.h"

#include <filesystem>
#include <optional>
#include <vector>

#include "tests/support/catch.h"
#include "tests/support/file_trees.h"
#include "tests/support/replaced_paths.h"
#include "tests/support/results.h"

namespace holdfast {
namespace {

using testing::Exists;
using testing::Unwrap;
using testing::WriteText;
using Names = std::vector<std::string>;

struct Scene {
  Result<StagingDirectory> Create(const std::string& where) {
    return StagingDirectory::Create(".holdfast-test", where, 0750);
  }
  TempDir temp = Unwrap(TempDir::Create("staging"));
  std::string parent = temp.path() + "/service";
  std::string outside = temp.path() + "/outside";
};

// A file in a directory of the staging directory.
Fd Fill(const StagingDirectory& staging) {
  Fd made = Unwrap(staging.MakeDirectory("made"));
  const Fd file = Unwrap(OpenFileAt(made.get(), "file", O_CREAT | O_WRONLY, 0600, "file"));
  REQUIRE_OK(WriteAll(file.get(), AsBytes(std::string_view("new")), "file"));
  return made;
}

}  // namespace

TEST_CASE("staging directory: publishes a directory, and removes itself") {
  Scene scene;
  {
    const auto staging = Unwrap(scene.Create(scene.parent + "/deep"));
    REQUIRE(staging.path().starts_with(scene.parent + "/deep/.holdfast-test-"));
    REQUIRE((std::filesystem::status(scene.parent).permissions() & std::filesystem::perms::mask) ==
            std::filesystem::perms(0750));
    Fill(staging);
    REQUIRE_OK(staging.Sync());
    REQUIRE_OK(MakeDirectories(scene.parent + "/deep/data"));
    REQUIRE_OK(staging.Publish("made", "data"));
    REQUIRE_OK(staging.SyncParent());
    Fill(staging);
    REQUIRE_FAILS(staging.Publish("made", "data"), ErrorCode::kAlreadyExists,
                  "rename to \"" + scene.parent + "/deep/data\"");
  }
  REQUIRE(testing::ReadText(scene.parent + "/deep/data/file") == "new");
  REQUIRE(Unwrap(NamesIn(scene.parent + "/deep")) == Names{"data"});
}

TEST_CASE("staging directory: follows symlinks that exist before it is created") {
  Scene scene;
  REQUIRE_OK(MakeDirectories(scene.outside));
  std::filesystem::create_directory_symlink(scene.outside, scene.parent);
  const auto staging = Unwrap(scene.Create(scene.parent));
  REQUIRE(staging.path().starts_with(scene.parent + "/.holdfast-test-"));
  Fill(staging);
  REQUIRE_OK(staging.Publish("made", "data"));
  REQUIRE(Exists(scene.outside + "/data/file"));
}

TEST_CASE("staging directory: what killed processes left is removed, and what others use is not") {
  Scene scene;
  REQUIRE_OK(MakeDirectories(scene.parent + "/.holdfast-test-abcdef/made"));
  const auto first = Unwrap(scene.Create(scene.parent));
  REQUIRE_FALSE(Exists(scene.parent + "/.holdfast-test-abcdef"));
  const auto second = Unwrap(scene.Create(scene.parent));
  REQUIRE(Exists(first.path()));
  REQUIRE_OK(first.CheckPlace());
  REQUIRE_OK(second.CheckPlace());
}

TEST_CASE("staging directory: stays with the directory that it opened") {
  Scene scene;
  std::optional<StagingDirectory> staging(Unwrap(scene.Create(scene.parent)));
  const std::string path = staging->path();
  REQUIRE_OK(MakeDirectories(scene.outside + "/made"));
  const auto before = testing::DescribeTree(scene.outside);
  testing::ReplaceByLink(path, scene.outside);
  Fill(*staging);
  REQUIRE(Exists(testing::AsideOf(path) + "/made/file"));
  REQUIRE_FAILS(staging->CheckPlace(), ErrorCode::kBusy,
                "another process replaced \"" + path + "\"");
  REQUIRE_FAILS(staging->Publish("made", "data"), ErrorCode::kBusy, "another process replaced");
  staging.reset();
  REQUIRE(Unwrap(NamesIn(testing::AsideOf(path))).empty());
  REQUIRE(std::filesystem::is_symlink(path));
  REQUIRE(testing::DescribeTree(scene.outside) == before);
}

TEST_CASE("staging directory: stays in the parent that it opened") {
  Scene scene;
  std::optional<StagingDirectory> staging(Unwrap(scene.Create(scene.parent)));
  REQUIRE_OK(MakeDirectories(scene.outside));
  testing::ReplaceByLink(scene.parent, scene.outside);
  Fill(*staging);
  REQUIRE_FAILS(staging->Publish("made", "data"), ErrorCode::kBusy, "another process replaced");
  staging.reset();
  REQUIRE(Unwrap(NamesIn(testing::AsideOf(scene.parent))).empty());
  REQUIRE(Unwrap(NamesIn(scene.outside)).empty());
}

TEST_CASE("staging directory: takes back only what it published") {
  Scene scene;
  const auto staging = Unwrap(scene.Create(scene.parent));
  const Fd made = Fill(staging);
  const std::string target = scene.parent + "/data";
  REQUIRE_OK(staging.Publish("made", "data"));
  std::filesystem::rename(target, testing::AsideOf(target));
  REQUIRE_OK(MakeDirectories(target));
  staging.Withdraw("made", "data", made.get());
  REQUIRE(Exists(target));
  std::filesystem::remove(target);
  std::filesystem::rename(testing::AsideOf(target), target);
  staging.Withdraw("made", "data", made.get());
  REQUIRE_FALSE(Exists(target));
  REQUIRE(Exists(staging.path() + "/made/file"));
}

TEST_CASE("staging directory: errors name the path that was given") {
  Scene scene;
  WriteText(scene.outside, "a file");
  REQUIRE_FAILS(scene.Create(scene.outside + "/new/data"), ErrorCode::kAlreadyExists,
                "create directory \"" + scene.outside + "/new/data\": \"" + scene.outside +
                    "\" exists and is not a directory");
  REQUIRE_FAILS(scene.Create("relative"), ErrorCode::kInvalidArgument, "not an absolute path");
  const auto in_proc = testing::StatusOf(scene.Create("/proc"));
  REQUIRE_FALSE(in_proc.ok);
  REQUIRE_THAT(in_proc.text, Catch::Contains("create a directory in \"/proc\""));
  REQUIRE_FAILS(scene.Create("/proc/new/data"), ErrorCode::kNotFound,
                "create directory \"/proc/new\"");
}

TEST_CASE("staging directory: works without root's rights") {
  Scene scene;
  std::filesystem::permissions(scene.temp.path(), std::filesystem::perms(0711));
  REQUIRE_OK(MakeDirectories(scene.parent));
  std::filesystem::permissions(scene.parent, std::filesystem::perms(0777));
  REQUIRE(testing::AsNobody([&] {
    const auto staging = StagingDirectory::Create(".holdfast-test", scene.parent + "/new");
    return staging && staging->MakeDirectory("made") && staging->Publish("made", "data") &&
           staging->SyncParent();
  }));
  REQUIRE(Unwrap(NamesIn(scene.parent + "/new")) == Names{"data"});
}

}  // namespace holdfast
