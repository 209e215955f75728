// The durability of a directory storage, seen from below: the system calls of a put, in the order
// in which a crash may interrupt them, and what remains if one of them fails.
//
// This program defines its own fsync, rename etc. They record the call, fail where a test wants it,
// and otherwise call the kernel.
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <regex>
#include <set>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "common/base/format.h"
#include "common/base/raw_buffer.h"
#include "common/io/atomic_file.h"
#include "common/storage/open_storage.h"
#include "common/storage/posix_storage.h"
#include "common/storage/retry_storage.h"
#include "tests/support/catch.h"
#include "tests/support/manual_clock.h"
#include "tests/support/memory_storage.h"
#include "tests/support/results.h"
#include "tests/support/seeded_random.h"

namespace holdfast::testing {
namespace {

// The calls on files in the watched directory, as text, e.g. "sync data/aa/NAME-tmp". Consecutive
// writes are recorded once.
struct Watch {
  std::string root;  // empty: nothing is watched
  std::vector<std::string> calls;
  // Returns the errno that a call must fail with, or 0.
  std::function<int(const std::string& call)> fault;
};
Watch g_watch;

// The path below the root, without random parts.
std::string Shown(const std::string& path) {
  static const std::regex random("-tmp-[0-9a-f]{16}");
  if (path == g_watch.root) return ".";
  return std::regex_replace(path.substr(g_watch.root.size() + 1), random, "-tmp");
}

std::string PathOf(int fd) {
  char path[4096];
  const ssize_t size = readlink(("/proc/self/fd/" + std::to_string(fd)).c_str(), path, sizeof path);
  return {path, static_cast<std::size_t>(std::max<ssize_t>(size, 0))};
}

// A fault after the effect: a file server executed the call, but its answer was lost. The error is
// the answer to the repeated call.
constexpr int kDone = 1 << 16;
thread_local bool g_is_done = false;

// Records the call. Returns whether it must fail, with errno set.
bool Fails(const char* name, const std::string& path, const std::string& to = "") {
  if (g_watch.root.empty() || !path.starts_with(g_watch.root)) return false;
  const std::string call =
      std::string(name) + " " + Shown(path) + (to.empty() ? "" : " " + Shown(to));
  const bool is_again =
      std::string(name) == "write" && !g_watch.calls.empty() && g_watch.calls.back() == call;
  if (!is_again) g_watch.calls.push_back(call);
  const int number = g_watch.fault ? g_watch.fault(call) : 0;
  g_is_done = (number & kDone) != 0;
  if (number != 0) errno = number & ~kDone;
  return number != 0;
}

// Fails a call; if the fault comes after its effect, executes it first.
template <typename Call>
int Failed(Call call) {
  const int number = errno;
  if (g_is_done) (void)call();
  errno = number;
  return -1;
}
// By descriptor. Outside main(), nothing is watched, and g_watch may not exist.
bool Fails(const char* name, int fd) { return !g_watch.root.empty() && Fails(name, PathOf(fd)); }

}  // namespace
}  // namespace holdfast::testing

// NOLINTBEGIN: these are the names and the types of the C library.
using holdfast::testing::Failed;
using holdfast::testing::Fails;
extern "C" {
int openat(int directory, const char* path, int flags, ...) {
  mode_t mode = 0;
  if ((flags & (O_CREAT | O_TMPFILE)) != 0) {
    va_list rest;
    va_start(rest, flags);
    mode = va_arg(rest, mode_t);
    va_end(rest);
  }
  if (Fails("open", path)) return -1;
  return static_cast<int>(syscall(SYS_openat, directory, path, flags, mode));
}
ssize_t write(int fd, const void* bytes, std::size_t size) {
  if (Fails("write", fd)) return -1;
  return syscall(SYS_write, fd, bytes, size);
}
ssize_t pread(int fd, void* bytes, std::size_t size, off_t offset) {
  if (Fails("read", fd)) return -1;
  return syscall(SYS_pread64, fd, bytes, size, offset);
}
int fsync(int fd) {
  if (Fails("sync", fd)) return -1;
  return static_cast<int>(syscall(SYS_fsync, fd));
}
int close(int fd) {
  const bool fails = Fails("close", fd);
  const int number = errno;
  const int closed = static_cast<int>(syscall(SYS_close, fd));
  if (!fails) return closed;
  errno = number;
  return -1;
}
int rename(const char* from, const char* to) noexcept {
  const auto call = [&] { return syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0); };
  return Fails("rename", from, to) ? Failed(call) : static_cast<int>(call());
}
int renameat2(int from_in, const char* from, int to_in, const char* to, unsigned flags) noexcept {
  const auto call = [&] { return syscall(SYS_renameat2, from_in, from, to_in, to, flags); };
  return Fails("rename new", from, to) ? Failed(call) : static_cast<int>(call());
}
int link(const char* from, const char* to) noexcept {
  const auto call = [&] { return syscall(SYS_linkat, AT_FDCWD, from, AT_FDCWD, to, 0); };
  return Fails("link", from, to) ? Failed(call) : static_cast<int>(call());
}
int unlink(const char* path) noexcept {
  if (Fails("unlink", path)) return -1;
  return static_cast<int>(syscall(SYS_unlinkat, AT_FDCWD, path, 0));
}
int mkdir(const char* path, mode_t mode) noexcept {
  if (Fails("mkdir", path)) return -1;
  return static_cast<int>(syscall(SYS_mkdirat, AT_FDCWD, path, mode));
}
}
// NOLINTEND

namespace holdfast::testing {
namespace {
using Calls = std::vector<std::string>;

const std::string kName(64, 'a');
const FileName kPack{FileKind::kPack, kName};
const FileName kKey{FileKind::kKey, kName};

struct Place {
  Place() { Unwrap(storage.Create()); }
  ~Place() { g_watch = {}; }

  // Records the calls of `work`. Those for which `fault` returns an errno fail.
  template <typename Work>
  auto Watched(std::function<int(const std::string&)> fault, Work work) {
    g_watch = {root, {}, std::move(fault)};
    auto result = work();
    calls = std::exchange(g_watch, {}).calls;
    // The order of opens and closes does not matter.
    std::erase_if(calls, [](const std::string& call) {
      return call.starts_with("open ") || call.starts_with("close ");
    });
    return result;
  }
  Result<void> Put(const FileName& name, PutMode mode,
                   std::function<int(const std::string&)> fault = {}) {
    return Watched(std::move(fault), [&] { return storage.Put(name, content.view(), mode); });
  }
  void RequireWhole(const FileName& name) {
    REQUIRE(std::ranges::equal(Unwrap(storage.Get(name, {})), content.view()));
  }
  std::set<std::string> FilesOf(const FileName& name) const {
    std::set<std::string> files;
    const auto directory = std::filesystem::path(root + "/" + FilePath(name)).parent_path();
    for (const auto& entry : std::filesystem::directory_iterator(directory)) {
      files.insert(entry.path().filename());
    }
    return files;
  }

  TempDir temporary = Unwrap(TempDir::Create("posix-faults"));
  std::string root = std::filesystem::canonical(temporary.path()).string() + "/repo";
  PosixStorage storage{root};
  RawBuffer content = [] {
    RawBuffer made;
    SeededRandom random;
    random.Fill(made.Extend((2U << 20) + 17));  // a part bypasses the page cache
    return made;
  }();
  Calls calls;
};

// A fault for calls that start with `words`: only the first one if `once`, otherwise all.
std::function<int(const std::string&)> At(std::string words, int number, bool once = false) {
  return [=, is_over = false](const std::string& call) mutable {
    if (is_over || !(call + " ").starts_with(words + " ")) return 0;
    is_over = once;
    return number;
  };
}

TEST_CASE("posix faults: a file is durable before it is named, and its name before put returns") {
  Place place;
  REQUIRE_OK(place.Put(kPack, PutMode::kReplace));
  const std::string pack = "data/aa/" + kName;
  REQUIRE(place.calls == Calls{"write " + pack + "-tmp", "sync " + pack + "-tmp",
                               "rename " + pack + "-tmp " + pack, "sync data/aa"});

  REQUIRE_OK(place.Put(kKey, PutMode::kCreate));
  const std::string key = "keys/" + kName;
  REQUIRE(place.calls == Calls{"write " + key + "-tmp", "sync " + key + "-tmp",
                               "rename new " + key + "-tmp " + key, "sync keys"});
}

TEST_CASE("posix faults: a put is also durable on a file system without RENAME_NOREPLACE") {
  Place place;
  REQUIRE_OK(place.Put(kKey, PutMode::kCreate, At("rename new", EINVAL)));
  const std::string key = "keys/" + kName;
  REQUIRE(place.calls == Calls{"write " + key + "-tmp", "sync " + key + "-tmp",
                               "rename new " + key + "-tmp " + key, "link " + key + "-tmp " + key,
                               "unlink " + key + "-tmp", "sync keys"});
}

// Returns the errno of the first fault that applies.
std::function<int(const std::string&)> AnyOf(
    std::vector<std::function<int(const std::string&)>> faults) {
  return [=](const std::string& call) mutable {
    for (auto& fault : faults) {
      if (const int number = fault(call); number != 0) return number;
    }
    return 0;
  };
}

const FileName kConfig{FileKind::kConfig, ""};

TEST_CASE("posix faults: without hard links, a create still never replaces an existing file") {
  for (const int number : {EPERM, EOPNOTSUPP, ENOSYS, EMLINK}) {
    INFO(number);
    Place place;
    const auto poor = AnyOf({At("rename new", EINVAL), At("link", number)});
    for (const FileName& name : {kKey, kConfig}) {
      REQUIRE_OK(place.Put(name, PutMode::kCreate, poor));
      // Complete before it gets its name. Until then, at most an empty file is visible.
      const std::string path = FilePath(name);
      const std::string directory = name == kKey ? "keys" : ".";
      const Calls last(place.calls.end() - 2, place.calls.end());
      REQUIRE(last == Calls{"rename " + path + "-tmp " + path, "sync " + directory});
      REQUIRE(place.calls[1] == "sync " + path + "-tmp");
      place.RequireWhole(name);

      REQUIRE_FAILS(
          place.Watched(poor, [&] { return place.storage.Put(name, Bytes(1), PutMode::kCreate); }),
          ErrorCode::kAlreadyExists, path);
      place.RequireWhole(name);
    }
    REQUIRE(place.FilesOf(kKey) == std::set<std::string>{kName});
    REQUIRE(place.FilesOf(kConfig) ==
            std::set<std::string>{"config", "data", "index", "keys", "locks", "snapshots"});
  }
}

TEST_CASE("posix faults: without hard links, only one of two concurrent config creates succeeds") {
  Place place;
  PosixStorage other(place.root);
  bool has_other_tried = false;
  Result<void> others;
  const auto poor = AnyOf({At("rename new", EINVAL), At("link", EPERM)});
  const auto racing = [&](const std::string& call) {
    if (call.starts_with("rename config") && !std::exchange(has_other_tried, true)) {
      others = other.Put(kConfig, Bytes(1), PutMode::kCreate);
    }
    return poor(call);
  };

  REQUIRE_OK(place.Put(kConfig, PutMode::kCreate, racing));

  REQUIRE(has_other_tried);
  REQUIRE_FAILS(others, ErrorCode::kAlreadyExists, "config");
  place.RequireWhole(kConfig);
}

TEST_CASE("posix faults: without hard links, no config exists if the last step fails") {
  Place place;
  REQUIRE_FAILS(
      place.Put(kConfig, PutMode::kCreate,
                AnyOf({At("rename new", EINVAL), At("link", EPERM), At("rename config-tmp", EIO)})),
      ErrorCode::kUnavailable, "input/output error");
  REQUIRE(!place.FilesOf(kConfig).contains("config"));
  REQUIRE_OK(place.Put(kConfig, PutMode::kCreate));
}

// The file server executed the call, but its answer was lost, and the call was repeated.
TEST_CASE("posix faults: a put succeeds if the answer to its rename or link was lost") {
  struct Case {
    std::vector<std::string> refused;
    const char* call;
    int number;
    PutMode mode;
  };
  const Case cases[] = {
      {{}, "rename new", EEXIST | kDone, PutMode::kCreate},
      {{}, "rename new", ENOENT | kDone, PutMode::kCreate},
      {{"rename new"}, "link", EEXIST | kDone, PutMode::kCreate},
      {{}, "rename", ENOENT | kDone, PutMode::kReplace},
  };
  for (const Case& each : cases) {
    INFO(each.call << " " << each.number);
    Place place;
    std::vector<std::function<int(const std::string&)>> faults = {At(each.call, each.number)};
    for (const std::string& call : each.refused) faults.push_back(At(call, EINVAL));

    REQUIRE_OK(place.Put(kKey, each.mode, AnyOf(faults)));

    place.RequireWhole(kKey);
    REQUIRE(place.FilesOf(kKey) == std::set<std::string>{kName});
    REQUIRE(place.calls.back() == "sync keys");
  }
}

TEST_CASE("posix faults: a create fails if another writer's file exists, and keeps that file") {
  Place place;
  REQUIRE_OK(place.storage.Put(kKey, Bytes(1), PutMode::kCreate));
  for (const auto& fault : {At("rename new", 0), At("rename new", EINVAL)}) {
    REQUIRE_FAILS(place.Put(kKey, PutMode::kCreate, fault), ErrorCode::kAlreadyExists, "keys/");
    REQUIRE(Unwrap(place.storage.Get(kKey, {})) == Bytes(1));
    REQUIRE(place.FilesOf(kKey) == std::set<std::string>{kName});
  }
  // A failed rename is an error if the file has not got its name.
  REQUIRE_FAILS(place.Put(kPack, PutMode::kReplace, At("rename", ENOENT)), ErrorCode::kNotFound,
                "data/aa");
}

TEST_CASE("posix faults: a missing directory is created and durable before the file is written") {
  Place place;
  Unwrap(RemoveTree(place.root + "/data"));
  REQUIRE_OK(place.Put(kPack, PutMode::kReplace));
  const std::string pack = "data/aa/" + kName;
  std::erase(place.calls, "mkdir .");  // it exists
  REQUIRE(place.calls == Calls{"mkdir data", "mkdir data/aa", "sync data", "sync .",
                               "write " + pack + "-tmp", "sync " + pack + "-tmp",
                               "rename " + pack + "-tmp " + pack, "sync data/aa"});
}

TEST_CASE("posix faults: the directories of a new repository are durable") {
  Place place;
  Unwrap(RemoveTree(place.root));
  REQUIRE_OK(place.Watched({}, [&] { return place.storage.Create(); }));
  const auto at = [&](const std::string& call) {
    return std::ranges::find(place.calls, call) - place.calls.begin();
  };
  const auto end = std::ssize(place.calls);
  for (const std::string top : {"data", "index", "keys", "locks", "snapshots"}) {
    CHECK(at("mkdir " + top) < at("sync ."));
  }
  CHECK(at("mkdir data/ff") < at("sync data"));
  CHECK(at("sync data") < end);
  CHECK(at("sync .") < end);
}

TEST_CASE("posix faults: a removal is durable when it returns, and a failed sync is an error") {
  Place place;
  REQUIRE_OK(place.Put(kPack, PutMode::kReplace));
  REQUIRE_OK(place.Watched({}, [&] { return place.storage.Remove(kPack); }));
  REQUIRE(place.calls == Calls{"unlink data/aa/" + kName, "sync data/aa"});

  REQUIRE_OK(place.Put(kPack, PutMode::kReplace));
  REQUIRE_FAILS(place.Watched(At("sync data/aa", EIO), [&] { return place.storage.Remove(kPack); }),
                ErrorCode::kUnavailable, "input/output error");
}

TEST_CASE("posix faults: any failed call of a put is reported, and no partial file has a name") {
  struct Case {
    const char* call;
    int number;
    ErrorCode code;
    const char* text;
  };
  const Case cases[] = {
      {"open", ESTALE, ErrorCode::kUnavailable, "stale file handle"},
      {"open", EROFS, ErrorCode::kDenied, "read-only"},
      {"write", ENOSPC, ErrorCode::kNoSpace, "free space"},
      {"write", EIO, ErrorCode::kUnavailable, "input/output error"},
      {"sync FILE-tmp", EIO, ErrorCode::kUnavailable, "input/output error"},
      {"sync FILE-tmp", EDQUOT, ErrorCode::kNoSpace, "free space"},
      {"close FILE-tmp", EDQUOT, ErrorCode::kNoSpace, "free space"},
      {"close FILE-tmp", EIO, ErrorCode::kUnavailable, "input/output error"},
      {"rename", ENOSPC, ErrorCode::kNoSpace, "free space"},
      {"rename", EIO, ErrorCode::kUnavailable, "input/output error"},
      {"sync DIRECTORY", EIO, ErrorCode::kUnavailable, "input/output error"},
      {"open DIRECTORY", ESTALE, ErrorCode::kUnavailable, "stale file handle"},
  };
  Place place;
  for (const PutMode mode : {PutMode::kCreate, PutMode::kReplace}) {
    const FileName& name = mode == PutMode::kCreate ? kKey : kPack;
    const std::string path = FilePath(name);
    const std::string directory = path.substr(0, path.rfind('/'));
    for (const Case& each : cases) {
      INFO(path << ": " << each.call << ", " << each.text);
      std::string call = std::regex_replace(each.call, std::regex("FILE"), path);
      call = std::regex_replace(call, std::regex("DIRECTORY"), directory);

      const Result<void> put = place.Put(name, mode, At(call, each.number));

      REQUIRE_FAILS(put, each.code, each.text);
      // A full disk is an error of the repository, any other an error of the file.
      const std::string object =
          each.code == ErrorCode::kNoSpace ? "write to " + Quote(place.root) : directory;
      REQUIRE_THAT(put.error().Text(), Catch::Contains(object));
      // If only making the name durable failed, the complete file may exist, and writing it again
      // replaces it. A file that must not be replaced could not be written again, so it is removed.
      const bool may_be_there = call.ends_with(directory) && mode == PutMode::kReplace;
      REQUIRE(place.FilesOf(name) ==
              (may_be_there ? std::set<std::string>{kName} : std::set<std::string>{}));
      if (may_be_there) place.RequireWhole(name);

      REQUIRE_OK(place.Put(name, mode));
      place.RequireWhole(name);
      Unwrap(place.storage.Remove(name));
    }
  }
}

// Retries for up to 5 seconds. Waiting only advances the clock.
struct Retried {
  RetryStorage Over(Storage& storage) {
    return RetryStorage(std::make_unique<BorrowedStorage>(storage),
                        RetryPolicy{.total = std::chrono::seconds(5)}, clock, random,
                        [this](std::chrono::nanoseconds) -> Result<void> {
                          clock.Advance(std::chrono::seconds(2));
                          return {};
                        });
  }
  ManualClock clock;
  SeededRandom random;
};

TEST_CASE("posix faults: a retried put is durable when it returns") {
  for (const PutMode mode : {PutMode::kCreate, PutMode::kReplace}) {
    const FileName& name = mode == PutMode::kCreate ? kKey : kPack;
    const std::string path = FilePath(name);
    const std::string directory = path.substr(0, path.rfind('/'));
    for (const std::string& broken : {"sync " + path + "-tmp", "sync " + directory}) {
      INFO(broken);
      Place place;
      Retried retried;
      RetryStorage storage = retried.Over(place.storage);

      REQUIRE_OK(place.Watched(At(broken, EIO, true),
                               [&] { return storage.Put(name, place.content.view(), mode); }));

      // After a failed sync, a second sync of the same file proves nothing, so a new file is
      // written.
      const std::string rename = mode == PutMode::kCreate ? "rename new " : "rename ";
      REQUIRE(place.calls.size() >= 4);
      const Calls last(place.calls.end() - 4, place.calls.end());
      REQUIRE(last == Calls{"write " + path + "-tmp", "sync " + path + "-tmp",
                            rename + path + "-tmp " + path, "sync " + directory});
    }
  }
}

TEST_CASE("posix faults: a read is retried if the file handle is stale") {
  Place place;
  REQUIRE_OK(place.Put(kPack, PutMode::kReplace));
  Retried retried;
  RetryStorage storage = retried.Over(place.storage);
  for (const char* call : {"open", "read"}) {
    INFO(call);
    const Bytes content =
        Unwrap(place.Watched(At(call, ESTALE, true), [&] { return storage.Get(kPack, {}); }));
    REQUIRE(std::ranges::equal(content, place.content.view()));
    REQUIRE_FAILS(place.Watched(At(call, ESTALE), [&] { return storage.Get(kPack, {}); }),
                  ErrorCode::kUnavailable, "stale file handle");
  }
}

TEST_CASE("posix faults: a storage opened by its URL also retries") {
  Place place;
  std::stop_source stop;  // stopped at the first wait
  std::vector<std::string> notices;
  auto storage = Unwrap(OpenStorage({"file:" + place.root}, stop.get_token(),
                                    [&](const Error& error, std::chrono::nanoseconds) {
                                      notices.push_back(error.Text());
                                      stop.request_stop();
                                    }));
  REQUIRE_FAILS(place.Watched(At("open", ESTALE), [&] { return storage->Get(kPack, {}); }),
                ErrorCode::kCancelled, "stopped");
  REQUIRE(notices.size() == 1);
  REQUIRE_THAT(notices[0], Catch::Contains("stale file handle"));
}

}  // namespace
}  // namespace holdfast::testing
