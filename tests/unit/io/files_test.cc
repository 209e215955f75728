#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <set>
#include <string>
#include <utility>

#include "common/io/atomic_file.h"
#include "common/io/fd.h"
#include "common/io/file_lock.h"
#include "common/io/file_user.h"
#include "tests/support/catch.h"
#include "tests/support/results.h"

namespace holdfast {
namespace {
using testing::Unwrap;

TEST_CASE("files: a nameless file is written and read, and leaves nothing") {
  TempDir directory = Unwrap(TempDir::Create("hf-io"));
  {
    Fd file = Unwrap(OpenNamelessFile(directory.path()));
    REQUIRE_OK(WriteAll(file.get(), AsBytes("text"), "it"));
    Bytes read(4);
    REQUIRE_OK(ReadAllAt(file.get(), read, 0, "it"));
    REQUIRE(AsText(read) == "text");
    REQUIRE(std::filesystem::is_empty(directory.path()));
  }
  REQUIRE(std::filesystem::is_empty(directory.path()));
  REQUIRE_FAILS(OpenNamelessFile(directory.path() + "/none"), ErrorCode::kNotFound, "none");
}

TEST_CASE("atomic file: replaces the whole content and leaves no other files") {
  TempDir dir = Unwrap(TempDir::Create("hf-io"));
  std::string path = dir.path() + "/state.json";

  REQUIRE_OK(WriteFileAtomic(path, AsBytes("one"), 0600));
  REQUIRE_OK(WriteFileAtomic(path, AsBytes("second"), 0640));

  REQUIRE(AsText(Unwrap(ReadWholeFile(path))) == "second");
  struct stat status {};
  REQUIRE(stat(path.c_str(), &status) == 0);
  REQUIRE((status.st_mode & 07777) == 0640);
  REQUIRE(unlink(path.c_str()) == 0);
  REQUIRE(rmdir(dir.path().c_str()) == 0);  // empty: no temporary file was left
  dir.Keep();
}

TEST_CASE("claimed directories: those of a killed process are removed by the next one") {
  const TempDir parent = Unwrap(TempDir::Create("hf-io"));
  const auto left = [&] {
    std::set<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(parent.path()))
      names.insert(entry.path().filename().string());
    return names;
  };
  // As after a kill: it exists, but no process claims it.
  const std::string old = Unwrap(TempDir::CreateClaimed(".holdfast-x", parent.path())).Keep();
  REQUIRE(std::filesystem::create_directories(old + "/deep/below"));
  // Not removed: another name, not a directory.
  REQUIRE(mkdir((parent.path() + "/.holdfast-x-notes").c_str(), 0700) == 0);
  REQUIRE(mkdir((parent.path() + "/.holdfast-y-abcdef").c_str(), 0700) == 0);
  REQUIRE_OK(WriteFileAtomic(parent.path() + "/.holdfast-x-abcdef", AsBytes("x"), 0600));
  const std::set<std::string> others = {".holdfast-x-notes", ".holdfast-y-abcdef",
                                        ".holdfast-x-abcdef"};
  {
    const TempDir first = Unwrap(TempDir::CreateClaimed(".holdfast-x", parent.path()));
    REQUIRE_FALSE(std::filesystem::exists(old));
    TempDir second = Unwrap(TempDir::CreateClaimed(".holdfast-x", parent.path()));
    const TempDir moved = std::move(second);
    const TempDir third = Unwrap(TempDir::CreateClaimed(".holdfast-x", parent.path()));
    for (const TempDir* one : {&first, &moved, &third})
      REQUIRE(std::filesystem::is_directory(one->path()));
    REQUIRE(left().size() == others.size() + 3);
  }
  REQUIRE(left() == others);
  REQUIRE_FAILS(TempDir::CreateClaimed(".holdfast-x", parent.path() + "/none"),
                ErrorCode::kNotFound, "none");
}

TEST_CASE("atomic file: a missing directory is an error that names the file") {
  REQUIRE_FAILS(WriteFileAtomic("/nonexistent/x", AsBytes("y"), 0600), ErrorCode::kNotFound,
                "\"/nonexistent/x\"");
}

TEST_CASE("whole file: the limit applies, also to files that hide their size") {
  TempDir dir = Unwrap(TempDir::Create("hf-io"));
  std::string path = dir.path() + "/x";
  REQUIRE_OK(WriteFileAtomic(path, AsBytes("12345"), 0600));

  REQUIRE(Unwrap(ReadWholeFile(path, 5)).size() == 5);
  REQUIRE_FAILS(ReadWholeFile(path, 4), ErrorCode::kInvalidArgument, "larger than 4 B");
  REQUIRE(Unwrap(ReadWholeFile("/proc/self/stat")).size() > 10);
  REQUIRE_FAILS(ReadWholeFile(dir.path()), ErrorCode::kInvalidArgument, "is a directory");
}

TEST_CASE("read at: reads at an offset, and a file that is too short is an error") {
  TempDir dir = Unwrap(TempDir::Create("hf-io"));
  const std::string path = dir.path() + "/x";
  REQUIRE_OK(WriteFileAtomic(path, AsBytes("12345"), 0600));
  const Fd file = Unwrap(OpenFile(path, O_RDONLY));
  Bytes bytes(3);

  REQUIRE_OK(ReadAllAt(file.get(), bytes, 2, path));
  REQUIRE(AsText(bytes) == "345");
  REQUIRE_FAILS(ReadAllAt(file.get(), bytes, 3, path), ErrorCode::kCorrupt,
                "/x\" became shorter while it was read");
  REQUIRE_FAILS(ReadAllAt(-1, bytes, 0, path), ErrorCode::kInternal, "read \"");
}

TEST_CASE("directories: parents are created, and a file in the way is an error") {
  TempDir dir = Unwrap(TempDir::Create("hf-io"));
  REQUIRE_OK(MakeDirectories(dir.path() + "/a/b//c/"));
  REQUIRE_OK(MakeDirectories(dir.path() + "/a/b/c"));
  REQUIRE_OK(WriteFileAtomic(dir.path() + "/a/file", AsBytes(""), 0600));
  REQUIRE_FAILS(MakeDirectories(dir.path() + "/a/file/x"), ErrorCode::kAlreadyExists,
                "exists and is not a directory");
}

TEST_CASE("remove tree: removes everything below and follows no symlink") {
  TempDir dir = Unwrap(TempDir::Create("hf-io"));
  REQUIRE_OK(MakeDirectories(dir.path() + "/gone/deep/er"));
  REQUIRE_OK(MakeDirectories(dir.path() + "/stays"));
  REQUIRE_OK(WriteFileAtomic(dir.path() + "/stays/file", AsBytes("x"), 0600));
  REQUIRE(symlink("../../stays", (dir.path() + "/gone/deep/link").c_str()) == 0);

  REQUIRE_OK(RemoveTree(dir.path() + "/gone"));
  REQUIRE_OK(RemoveTree(dir.path() + "/gone"));

  REQUIRE(access((dir.path() + "/gone").c_str(), F_OK) != 0);
  REQUIRE(access((dir.path() + "/stays/file").c_str(), F_OK) == 0);
}

TEST_CASE("file lock: a second taker learns who holds it, and gets it after the release") {
  TempDir dir = Unwrap(TempDir::Create("hf-io"));
  std::string path = dir.path() + "/locks/files-app.lock";
  {
    FileLock first = Unwrap(FileLock::Acquire(path, "holdfast-agent backup, pid 7"));
    REQUIRE_FAILS(FileLock::Acquire(path, "other"), ErrorCode::kBusy,
                  "held by holdfast-agent backup, pid 7");
  }
  REQUIRE_OK(FileLock::Acquire(path, "other"));
}

TEST_CASE("file lock: the description of a killed holder is not shown") {
  TempDir dir = Unwrap(TempDir::Create("hf-io"));
  const std::string path = dir.path() + "/lock";
  // Process ids are at most 2^22 (proc(5)).
  REQUIRE_OK(WriteFileAtomic(path, AsBytes("holdfast-agent backup\n99999999\n"), 0644));
  const Fd other = Unwrap(OpenFile(path, O_RDONLY));
  REQUIRE(::flock(other.get(), LOCK_EX) == 0);

  REQUIRE_FAILS(FileLock::Acquire(path, "me"), ErrorCode::kBusy, "held by another process");
}

TEST_CASE("file lock: a process that may only read the file can take the lock") {
  if (::geteuid() != 0) return;
  TempDir dir = Unwrap(TempDir::Create("hf-io"));
  REQUIRE(::chmod(dir.path().c_str(), 0755) == 0);
  const Fd directory = Unwrap(OpenFile(dir.path(), O_RDONLY | O_DIRECTORY));
  REQUIRE_OK(FileLock::AcquireAt(directory.get(), "lock", "root", "lock"));
  REQUIRE(::chmod((dir.path() + "/lock").c_str(), 0644) == 0);
  {
    const FileUser other = Unwrap(FileUser::Become({.uid = 64125, .gid = 64125}));
    REQUIRE_FAILS(FileLock::AcquireAt(directory.get(), "none", "them", "none"), ErrorCode::kDenied,
                  "none");
    const FileLock theirs = Unwrap(FileLock::AcquireAt(directory.get(), "lock", "them", "lock"));
    REQUIRE_FAILS(FileLock::AcquireAt(directory.get(), "lock", "them", "lock"), ErrorCode::kBusy,
                  "held by another process");
  }
  REQUIRE_OK(FileLock::AcquireAt(directory.get(), "lock", "root", "lock"));
}

TEST_CASE("file lock: any process can ask whether it is held") {
  TempDir dir = Unwrap(TempDir::Create("hf-io"));
  const std::string path = dir.path() + "/lock";
  REQUIRE_FAILS(FileLock::IsHeld(path), ErrorCode::kNotFound, path);
  {
    const FileLock held = Unwrap(FileLock::Acquire(path, "me"));
    REQUIRE(Unwrap(FileLock::IsHeld(path)));
  }
  REQUIRE_FALSE(Unwrap(FileLock::IsHeld(path)));
}

}  // namespace
}  // namespace holdfast
