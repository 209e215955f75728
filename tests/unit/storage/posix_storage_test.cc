#include "common/storage/posix_storage.h"

#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <set>

#include "common/base/raw_buffer.h"
#include "common/io/atomic_file.h"
#include "common/io/fd.h"
#include "common/storage/open_storage.h"
#include "tests/support/catch.h"
#include "tests/support/results.h"
#include "tests/support/seeded_random.h"

namespace holdfast {
namespace {
using testing::Unwrap;

FileName Name(FileKind kind, char digit) { return {kind, std::string(64, digit)}; }

unsigned ModeOf(const std::string& path) {
  struct stat status {};
  REQUIRE(stat(path.c_str(), &status) == 0);
  return status.st_mode & 07777;
}

struct Directory {
  TempDir temporary = Unwrap(TempDir::Create("posix-storage"));
  std::string root = temporary.path() + "/repo";
  PosixStorage storage{root};
};

TEST_CASE("posix storage: files have the paths of restic's local layout") {
  REQUIRE(FilePath({FileKind::kConfig, ""}) == "config");
  REQUIRE(FilePath(Name(FileKind::kPack, 'a')) == "data/aa/" + std::string(64, 'a'));
  REQUIRE(FilePath(Name(FileKind::kKey, 'a')) == "keys/" + std::string(64, 'a'));
  REQUIRE_FALSE(IsValidName({FileKind::kIndex, "abc"}));
  REQUIRE_FALSE(IsValidName(Name(FileKind::kIndex, 'A')));
  REQUIRE_FALSE(IsValidName({FileKind::kConfig, "x"}));
}

TEST_CASE("posix storage: only the owner has access to a new repository") {
  Directory directory;
  REQUIRE_OK(directory.storage.Create());
  REQUIRE_OK(directory.storage.Put({FileKind::kConfig, ""}, Bytes(1), PutMode::kCreate));
  REQUIRE_OK(directory.storage.Put(Name(FileKind::kPack, 'a'), Bytes(1), PutMode::kReplace));

  REQUIRE(ModeOf(directory.root) == 0700);
  REQUIRE(ModeOf(directory.root + "/data/aa") == 0700);
  REQUIRE(ModeOf(directory.root + "/config") == 0400);
  REQUIRE(ModeOf(directory.root + "/" + FilePath(Name(FileKind::kPack, 'a'))) == 0400);
}

TEST_CASE("posix storage: if the config is readable by its group, new files are too") {
  Directory directory;
  REQUIRE_OK(directory.storage.Create());
  REQUIRE_OK(directory.storage.Put({FileKind::kConfig, ""}, Bytes(1), PutMode::kCreate));
  REQUIRE(chmod((directory.root + "/config").c_str(), 0440) == 0);
  REQUIRE_OK(RemoveTree(directory.root + "/data/aa"));

  PosixStorage again(directory.root);
  REQUIRE_OK(again.Put(Name(FileKind::kPack, 'a'), Bytes(1), PutMode::kReplace));

  REQUIRE(ModeOf(directory.root + "/data/aa") == 0750);
  REQUIRE(ModeOf(directory.root + "/" + FilePath(Name(FileKind::kPack, 'a'))) == 0440);
}

TEST_CASE("posix storage: content of any size and alignment is stored unchanged") {
  Directory directory;
  Unwrap(directory.storage.Create());
  testing::SeededRandom random;
  RawBuffer memory;
  random.Fill(memory.Extend((3U << 20) + 4096));
  for (const std::size_t begin : {0U, 1U, 4096U}) {
    for (const std::size_t size : {1U, 4095U, (1U << 20) - 1, 1U << 20, (1U << 20) + 1, 3U << 20}) {
      const ByteView content = memory.view().subspan(begin, size);
      const FileName name = Name(FileKind::kPack, 'a');
      Unwrap(directory.storage.Put(name, content, PutMode::kReplace));
      CHECK(std::ranges::equal(Unwrap(directory.storage.Get(name, {})), content));
    }
  }
}

TEST_CASE("posix storage: creates a missing subdirectory but not a missing root") {
  Directory directory;
  REQUIRE_FAILS(directory.storage.Put(Name(FileKind::kLock, 'a'), Bytes(1), PutMode::kReplace),
                ErrorCode::kNotFound, "mounted");
  REQUIRE_FALSE(std::filesystem::exists(directory.root));

  REQUIRE_OK(MakeDirectories(directory.root));
  REQUIRE_OK(directory.storage.Put(Name(FileKind::kLock, 'a'), Bytes(1), PutMode::kReplace));
  REQUIRE(Unwrap(ListFiles(directory.storage, FileKind::kLock)).size() == 1);
}

TEST_CASE("posix storage: files with other names are not listed") {
  Directory directory;
  REQUIRE_OK(directory.storage.Create());
  const std::string name(64, 'a');
  for (const std::string& foreign :
       {"/index/" + name + "-tmp-0011223344556677", std::string("/index/notes.txt"),
        "/data/bb/" + name, std::string("/data/README")}) {
    REQUIRE_OK(WriteFileAtomic(directory.root + foreign, Bytes(1), 0600));
  }
  REQUIRE_OK(MakeDirectories(directory.root + "/index/" + std::string(64, 'b')));

  REQUIRE(Unwrap(ListFiles(directory.storage, FileKind::kIndex)).empty());
  REQUIRE(Unwrap(ListFiles(directory.storage, FileKind::kPack)).empty());
}

TEST_CASE("posix storage: removes the temporary files of dead writers and nothing else") {
  Directory directory;
  REQUIRE_OK(directory.storage.Create());
  const std::string name(64, 'a');
  const std::set<std::string> left = {
      "/config-tmp-0011223344556677",       "/keys/" + name + "-tmp-0011223344556677",
      "/data/aa/" + name + "-tmp-12345678", "/index/" + name + "-tmp-0011223344556677",
      "/snapshots/" + name + "-tmp-99",     "/locks/" + name + "-tmp-0011223344556677"};
  const std::set<std::string> others = {"/config",
                                        "/config-tmp-",
                                        "/configs-tmp-00",
                                        "/data/aa/" + name,
                                        "/data/notes.txt",
                                        "/index/tmp-00",
                                        "/index/" + name + "-tmp",
                                        "/index/" + name + "-tmp-../x",
                                        "/keys/" + std::string(63, 'a') + "-tmp-00"};
  REQUIRE_OK(MakeDirectories(directory.root + "/index/" + name + "-tmp-.."));
  for (const auto& files : {left, others}) {
    for (const std::string& file : files) {
      REQUIRE_OK(WriteFileAtomic(directory.root + file, Bytes(7), 0600));
    }
  }
  REQUIRE_OK(MakeDirectories(directory.root + "/locks/" + name + "-tmp-00"));
  const auto files_now = [&] {
    std::set<std::string> files;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(directory.root)) {
      if (entry.is_regular_file()) {
        files.insert(entry.path().string().substr(directory.root.size()));
      }
    }
    return files;
  };
  const std::set<std::string> before = files_now();
  const WallTime now = SystemClock().Now();
  const LeftoverSearch all{.before = now + std::chrono::hours(1)};
  const auto remove = [&](const LeftoverSearch& search, const Permit& permit = {}) {
    return directory.storage.RemoveLeftovers(search, permit);
  };

  // A recently modified file may still be written to.
  REQUIRE(Unwrap(remove({.before = now - std::chrono::hours(1)})).files == 0);
  const Leftovers counted = Unwrap(remove({.before = all.before, .only_count = true}));
  REQUIRE(counted.files == left.size());
  REQUIRE(counted.bytes == 7 * left.size());
  const Permit refused = [] { return Fail(ErrorCode::kTimedOut, "the lock is lost"); };
  REQUIRE_FAILS(remove(all, refused), ErrorCode::kTimedOut, "the lock is lost");
  REQUIRE(files_now() == before);

  const Leftovers gone = Unwrap(remove(all));
  REQUIRE(gone.files == left.size());
  REQUIRE(gone.bytes == 7 * left.size());
  REQUIRE(files_now() == others);
  REQUIRE(Unwrap(remove(all)).files == 0);
}

TEST_CASE("posix storage: a failed put leaves no temporary file") {
  Directory directory;
  REQUIRE_OK(directory.storage.Create());
  REQUIRE_OK(directory.storage.Put(Name(FileKind::kKey, 'a'), Bytes(1), PutMode::kCreate));

  REQUIRE_FAILS(directory.storage.Put(Name(FileKind::kKey, 'a'), Bytes(1), PutMode::kCreate),
                ErrorCode::kAlreadyExists, "keys/aaa");

  const auto entries = std::filesystem::directory_iterator(directory.root + "/keys");
  REQUIRE(std::distance(begin(entries), end(entries)) == 1);
}

// A file size limit stops a write in the middle, like a full disk.
TEST_CASE("posix storage: a write without enough space leaves no file and says what to do") {
  Directory directory;
  REQUIRE_OK(directory.storage.Create());
  rlimit before{};
  REQUIRE(getrlimit(RLIMIT_FSIZE, &before) == 0);
  const auto old_handler = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit small{64U << 10, before.rlim_max};
  REQUIRE(setrlimit(RLIMIT_FSIZE, &small) == 0);

  const Result<void> put =
      directory.storage.Put(Name(FileKind::kPack, 'a'), Bytes(1U << 20), PutMode::kReplace);
  REQUIRE(setrlimit(RLIMIT_FSIZE, &before) == 0);
  (void)std::signal(SIGXFSZ, old_handler);

  REQUIRE_FAILS(put, ErrorCode::kNoSpace, "free space");
  // The name of the temporary file is no help to an operator.
  REQUIRE_THAT(put.error().message(),
               Catch::StartsWith("write to \"") && !Catch::Contains("-tmp-"));
  REQUIRE(Unwrap(ListFiles(directory.storage, FileKind::kPack)).empty());
  REQUIRE(std::filesystem::is_empty(directory.root + "/data/aa"));
}

TEST_CASE("posix storage: a directory without write permission is refused with a hint") {
  if (geteuid() == 0) return;  // root can always write; the suite also runs as another user
  Directory directory;
  REQUIRE_OK(directory.storage.Create());
  REQUIRE(chmod((directory.root + "/locks").c_str(), 0500) == 0);

  REQUIRE_FAILS(directory.storage.Put(Name(FileKind::kLock, 'a'), Bytes(1), PutMode::kReplace),
                ErrorCode::kDenied, "must be writable");
  REQUIRE(chmod((directory.root + "/locks").c_str(), 0700) == 0);
}

TEST_CASE("storage url: opens known schemes, and an error shows the expected form") {
  REQUIRE(Unwrap(OpenStorage({"file:/srv/backup"}))->location() == "file:/srv/backup");
  REQUIRE_FAILS(OpenStorage({"file:backup"}), ErrorCode::kInvalidArgument, "absolute path");
  REQUIRE_FAILS(OpenStorage({"/srv/backup"}), ErrorCode::kInvalidArgument,
                "write it as \"file:/srv/backup\"");
  REQUIRE_FAILS(OpenStorage({""}), ErrorCode::kInvalidArgument, "not a storage URL");
  REQUIRE_FAILS(OpenStorage({"azure:x"}), ErrorCode::kUnsupported, "not built into");
  REQUIRE(Unwrap(OpenStorage({"s3:https://h/b/p"}))->location() == "s3:https://h/b/p");
  REQUIRE_FAILS(OpenStorage({"s3:bucket"}), ErrorCode::kInvalidArgument, "names no bucket");
}

}  // namespace
}  // namespace holdfast
