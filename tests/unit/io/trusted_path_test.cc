#include "common/io/trusted_path.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <string>

#include "common/io/atomic_file.h"
#include "common/io/file_user.h"
#include "tests/support/catch.h"
#include "tests/support/results.h"

namespace holdfast {
namespace {
using testing::Unwrap;

constexpr std::uint32_t kForeignUid = 64125;

// A directory with "a/b/file".
struct TrustedTree {
  TrustedTree() {
    REQUIRE(std::filesystem::create_directories(top + "/a/b"));
    REQUIRE_OK(WriteFileAtomic(file, AsBytes("x"), 0644));
  }
  void Give(const std::string& path) const {
    REQUIRE(::lchown(path.c_str(), kForeignUid, kForeignUid) == 0);
  }

  TempDir directory = Unwrap(TempDir::Create("hf-trusted"));
  std::string top = directory.path();
  std::string file = top + "/a/b/file";
};

bool RunsAsRoot() { return ::geteuid() == 0; }

TEST_CASE("trusted path: a file that only root and this user can change is opened") {
  const TrustedTree place;

  REQUIRE(Unwrap(ReadWhole(Unwrap(OpenTrustedFile(place.file)).get(), 10, "")).size() == 1);
  REQUIRE_OK(OpenTrustedDirectory(place.top + "/a/./b/../b/"));
  REQUIRE_FAILS(OpenTrustedFile(place.top + "/none"), ErrorCode::kNotFound, "none");
  REQUIRE_FAILS(OpenTrustedFile(place.top + "/a"), ErrorCode::kCorrupt, "not a regular file");
  REQUIRE_FAILS(OpenTrustedFile("a/b"), ErrorCode::kInvalidArgument, "not absolute");
}

TEST_CASE("trusted path: the file and its directory must not be writable by others") {
  const TrustedTree place;
  const std::string changed = place.top + GENERATE("/a/b/file", "/a/b");
  REQUIRE(::chmod(changed.c_str(), std::filesystem::is_directory(changed) ? 0775 : 0646) == 0);

  REQUIRE_FAILS(OpenTrustedFile(place.file), ErrorCode::kDenied, changed);
}

TEST_CASE("trusted path: for root, no other user may own a component") {
  if (!RunsAsRoot()) return;
  const TrustedTree place;
  const std::string foreign = place.top + GENERATE("/a/b/file", "/a/b", "/a");
  place.Give(foreign);

  REQUIRE_FAILS(OpenTrustedFile(place.file), ErrorCode::kDenied, foreign + "\"");
  REQUIRE(Unwrap(OwnerOnTheWay(place.file)).uid == kForeignUid);
  REQUIRE(Unwrap(OwnerOnTheWay(place.top)).uid == 0);
}

TEST_CASE("trusted path: root's symlinks are followed, others are not") {
  if (!RunsAsRoot()) return;
  const TrustedTree place;
  const std::string link = place.top + "/link";
  const std::string target = GENERATE(false, true) ? "a" : place.top + "/a";
  std::filesystem::create_symlink(target, link);
  std::filesystem::create_symlink("loop", place.top + "/loop");

  REQUIRE_OK(OpenTrustedFile(link + "/b/file"));
  REQUIRE_FAILS(OpenTrustedFile(place.top + "/loop"), ErrorCode::kUnsupported, "too many symlinks");

  place.Give(link);
  REQUIRE_FAILS(OpenTrustedFile(link + "/b/file"), ErrorCode::kDenied, link);
  REQUIRE(Unwrap(OwnerOnTheWay(link + "/b/file")).uid == kForeignUid);
}

TEST_CASE("trusted path: an entry of an open directory that is a symlink is refused") {
  const TrustedTree place;
  const Fd top = Unwrap(OpenTrustedDirectory(place.top));
  std::filesystem::create_symlink(place.file, place.top + "/link");
  REQUIRE(::mkfifo((place.top + "/fifo").c_str(), 0600) == 0);

  REQUIRE_FAILS(OpenTrustedFileAt(top.get(), "link", "L"), ErrorCode::kDenied, "symlink");
  REQUIRE_FAILS(OpenTrustedFileAt(top.get(), "fifo", "F"), ErrorCode::kCorrupt, "regular");
  REQUIRE_FAILS(MakeTrustedDirectoryAt(top.get(), "link", "L"), ErrorCode::kDenied, "symlink");
}

TEST_CASE("trusted path: a new directory can be read by all, whatever the umask is") {
  const TrustedTree place;
  const Fd top = Unwrap(OpenTrustedDirectory(place.top));
  const mode_t before = ::umask(0077);

  const Fd made = Unwrap(MakeTrustedDirectoryAt(top.get(), "new", "new"));

  (void)::umask(before);
  struct stat status {};
  REQUIRE(::fstat(made.get(), &status) == 0);
  REQUIRE((status.st_mode & 0777) == 0755);
}

TEST_CASE("file user: root has the rights of the other user, for files and this thread only") {
  if (!RunsAsRoot()) return;
  const TrustedTree place;
  const std::string secret = place.top + "/secret";
  REQUIRE_OK(WriteFileAtomic(secret, AsBytes("x"), 0600));
  REQUIRE(::chmod(place.top.c_str(), 0755) == 0);
  place.Give(place.top + "/a/b");
  {
    const FileUser other = Unwrap(FileUser::Become({.uid = kForeignUid, .gid = kForeignUid}));
    REQUIRE_FAILS(OpenFile(secret, O_RDONLY), ErrorCode::kDenied, secret);
    REQUIRE_OK(WriteFileAtomic(place.top + "/a/b/new", AsBytes("x"), 0600));
    REQUIRE(::geteuid() == 0);
  }
  REQUIRE_OK(OpenFile(secret, O_RDONLY));
  struct stat status {};
  REQUIRE(::stat((place.top + "/a/b/new").c_str(), &status) == 0);
  REQUIRE(status.st_uid == kForeignUid);
}

}  // namespace
}  // namespace holdfast
