#include "common/io/ownership.h"

#include <unistd.h>

#include <filesystem>
#include <string>

#include "common/io/atomic_file.h"
#include "common/io/file_lock.h"
#include "tests/support/catch.h"
#include "tests/support/results.h"

namespace holdfast {
namespace {
using testing::Unwrap;

constexpr FileOwner kService{.uid = 64123, .gid = 64124};
constexpr FileOwner kOther{.uid = 64125, .gid = 64125};
constexpr FileOwner kRoot{.uid = 0, .gid = 0};

bool Belongs(const std::string& path, const FileOwner& expected) {
  const FileOwner owner = Unwrap(OwnerOfFile(path));
  return owner.uid == expected.uid && owner.gid == expected.gid;
}

bool IsRoot() { return ::geteuid() == 0; }

void Give(const std::string& path, const FileOwner& owner) {
  REQUIRE(::lchown(path.c_str(), owner.uid, owner.gid) == 0);
}

void Write(const std::string& path) { REQUIRE_OK(WriteFileAtomic(path, AsBytes("x"), 0600)); }

TEST_CASE("ownership: a lock taken by root belongs to the owner of the directory") {
  if (!IsRoot()) return;
  TempDir directory = Unwrap(TempDir::Create("hf-io"));
  Give(directory.path(), kService);
  const std::string lock = directory.path() + "/catalog.lock";

  const FileLock held = Unwrap(FileLock::Acquire(lock, "test"));

  REQUIRE(Belongs(lock, kService));
}

TEST_CASE("ownership: root's files are given away, links and other users' files are not") {
  if (!IsRoot()) return;
  TempDir directory = Unwrap(TempDir::Create("hf-io"));
  const std::string top = directory.path() + "/top";
  REQUIRE(std::filesystem::create_directories(top + "/a/b"));
  Write(top + "/file");
  Write(top + "/a/b/deep");
  Write(top + "/other");
  Give(top + "/other", kOther);
  Write(directory.path() + "/secret");
  std::filesystem::create_hard_link(directory.path() + "/secret", top + "/linked");
  std::filesystem::create_symlink(directory.path(), top + "/symbolic");

  REQUIRE_OK(ChownRootFiles(top, kService, 2));
  REQUIRE_OK(ChownRootFiles(directory.path() + "/none", kService, 2));

  REQUIRE(Belongs(top + "/file", kService));
  REQUIRE(Belongs(top + "/a/b", kService));
  REQUIRE(Belongs(top + "/a/b/deep", kRoot));
  REQUIRE(Belongs(top + "/other", kOther));
  REQUIRE(Belongs(directory.path() + "/secret", kRoot));
  REQUIRE(Belongs(directory.path(), kRoot));
}

}  // namespace
}  // namespace holdfast
