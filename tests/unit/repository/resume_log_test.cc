#include "common/repository/snapshot/resume_log.h"

#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>

#include "common/base/format.h"
#include "common/crypto/sha256.h"
#include "common/io/atomic_file.h"
#include "tests/support/catch.h"
#include "tests/support/items.h"
#include "tests/support/results.h"
#include "tests/support/seeded_random.h"

namespace holdfast::repository {
namespace {
using namespace holdfast::testing;

constexpr const char* kFirstRun = "01M80VS78VAND6JKAYG8S94C40";
constexpr const char* kSecondRun = "01M80VS78VAND6JKAYG8S94C41";
constexpr WallTime kCut{std::chrono::seconds(1'700'000'000)};

Item LiveFile(const std::string& path) {
  Item item = FileItem(path, "content of " + path);
  item.attributes.inode = 1 + path.size();
  return item;
}

std::vector<Id> BlobsOf(const std::string& path, std::size_t count = 2) {
  std::vector<Id> blobs;
  for (std::size_t i = 0; i < count; ++i)
    blobs.push_back({crypto::Sha256Of(AsBytes(path + std::to_string(i)))});
  return blobs;
}

struct ResumeFixture {
  std::unique_ptr<ResumeLog> Begin(const std::string& run, WallTime cut = kCut) {
    return Unwrap(ResumeLog::Begin(NewSealer(), Directory(), "files-app", run, cut));
  }
  crypto::Sealer NewSealer() { return crypto::Sealer(key, random); }
  std::string Directory() const { return directory.path() + "/resume"; }
  std::string File(const std::string& run) const {
    return Directory() + "/files-app-" + run + ".log";
  }
  void Interrupt(const std::vector<std::string>& paths, const std::string& run = kFirstRun) {
    auto log = Begin(run);
    for (const std::string& path : paths)
      log->Record(path, LiveFile(path).attributes, BlobsOf(path));
    REQUIRE_FALSE(log->failure());
  }
  // Those that the run finds, each with its blobs.
  std::vector<std::string> Found(const std::vector<std::string>& paths,
                                 const std::string& run = kSecondRun) {
    auto log = Begin(run);
    std::vector<std::string> found;
    for (const std::string& path : paths) {
      Item item = LiveFile(path);
      log->Mark(item);
      if (!item.was_saved) continue;
      REQUIRE(log->Take(path) == BlobsOf(path));
      found.push_back(path);
    }
    log->Forget();
    return found;
  }

  // Whether the next run reuses `live`, if an interrupted one read a file with these attributes.
  bool IsReused(const Attributes& attributes, Item live) {
    {
      auto interrupted = Begin(kFirstRun);
      interrupted->Record(live.path, attributes, BlobsOf(live.path));
      REQUIRE_FALSE(interrupted->failure());
    }
    auto log = Begin(kSecondRun);
    log->Mark(live);
    log->Forget();
    return live.was_saved;
  }

  SeededRandom random{1};
  crypto::SealKey key = crypto::SealKey::Generate(random);
  TempDir directory = Unwrap(TempDir::Create("resume"));
};

using Paths = std::vector<std::string>;

TEST_CASE("resume log: the next run finds what an interrupted one had read") {
  ResumeFixture fixture;
  // In the order of a walk: "a-b" sorts before "a/b" by bytes, but is visited after it.
  const Paths paths{"data/\n\xff", "data/a/b", "data/a/c/d", "data/a-b", "data/b"};
  fixture.Interrupt(paths);
  REQUIRE(fixture.Found(paths) == paths);
  REQUIRE(std::filesystem::is_empty(fixture.Directory()));
}

TEST_CASE("resume log: files added or removed between the runs do not matter") {
  ResumeFixture fixture;
  fixture.Interrupt({"data/a/b", "data/a/z", "data/c", "data/d/e"});
  REQUIRE(fixture.Found({"data/a/a", "data/a/b", "data/a/c", "data/b", "data/c", "data/d-e",
                         "data/d/e", "data/f"}) == Paths{"data/a/b", "data/c"});
  fixture.Interrupt({"data/a/b", "data/a/z", "data/c", "data/d/e"});
  REQUIRE(fixture.Found({"data/c", "data/d/e"}) == Paths{"data/c", "data/d/e"});
}

TEST_CASE("resume log: a file that differs, or may differ, is not reused") {
  ResumeFixture fixture;
  const auto is_found = [&](const std::function<void(Item&)>& change) {
    Item item = LiveFile("data/a");
    const Attributes before = item.attributes;
    change(item);
    return fixture.IsReused(before, std::move(item));
  };
  CHECK(is_found([](Item&) {}));
  CHECK(is_found([](Item& item) { item.attributes.mode = 0600; }));
  CHECK_FALSE(is_found([](Item& item) { ++item.attributes.size; }));
  CHECK_FALSE(is_found([](Item& item) { ++item.attributes.inode; }));
  CHECK_FALSE(is_found([](Item& item) { ++item.attributes.mtime.nanoseconds; }));
  CHECK_FALSE(is_found([](Item& item) { ++item.attributes.ctime.seconds; }));
  CHECK_FALSE(is_found([](Item& item) { item.content = {}; }));
}

TEST_CASE("resume log: files changed around the start of the earlier run are not reused") {
  ResumeFixture fixture;
  for (int seconds : {-1, 0, 1, 2, 3}) {
    Item item = LiveFile("data/a");
    item.attributes.ctime = {1'700'000'000 - seconds, 0};
    const Attributes before = item.attributes;
    CAPTURE(seconds);
    CHECK(fixture.IsReused(before, std::move(item)) == (seconds > 2));
  }
}

TEST_CASE("resume log: items without an inode are never reused") {
  ResumeFixture fixture;
  Item item = LiveFile("data/a");
  item.attributes.inode = 0;
  const Attributes before = item.attributes;
  REQUIRE_FALSE(fixture.IsReused(before, std::move(item)));
}

TEST_CASE("resume log: a torn or damaged file is valid up to the damage") {
  ResumeFixture fixture;
  const Paths paths{"data/a", "data/b", "data/c"};
  fixture.Interrupt(paths);
  const Bytes whole = Unwrap(ReadWholeFile(fixture.File(kFirstRun)));
  std::size_t most = 0;
  for (std::size_t end = 0; end < whole.size(); ++end) {
    const Bytes torn(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(end));
    REQUIRE_OK(WriteFileAtomic(fixture.File(kFirstRun), torn, 0600));
    const Paths found = fixture.Found(paths);
    REQUIRE(found ==
            Paths(paths.begin(), paths.begin() + static_cast<std::ptrdiff_t>(found.size())));
    REQUIRE(found.size() >= most);
    most = found.size();
    Bytes flipped = whole;
    flipped[end] ^= 0x40;
    REQUIRE_OK(WriteFileAtomic(fixture.File(kFirstRun), flipped, 0600));
    for (const std::string& path : fixture.Found(paths))
      REQUIRE(std::ranges::find(paths, path) != paths.end());
  }
  REQUIRE(most == 2);
}

TEST_CASE("resume log: a run that resumed another and was interrupted loses nothing") {
  ResumeFixture fixture;
  const Paths paths{"data/a", "data/b", "data/c"};
  fixture.Interrupt({"data/a", "data/b", "data/c"}, kFirstRun);
  fixture.Interrupt({"data/a"}, kSecondRun);
  REQUIRE(fixture.Found(paths, "01M80VS78VAND6JKAYG8S94C42") == paths);
  REQUIRE(std::filesystem::is_empty(fixture.Directory()));
}

TEST_CASE("resume log: only the newest runs are kept") {
  ResumeFixture fixture;
  const auto run = [](int i) { return fmt::format("01M80VS78VAND6JKAYG8S94C{:02}", i); };
  for (int i = 10; i < 20; ++i) fixture.Interrupt({fmt::format("data/{}", i)}, run(i));
  REQUIRE_FALSE(std::filesystem::exists(fixture.File(run(10))));
  const Paths found = fixture.Found({"data/10", "data/11", "data/12", "data/19"}, run(20));
  REQUIRE(found == Paths{"data/12", "data/19"});
  REQUIRE(std::filesystem::is_empty(fixture.Directory()));
}

TEST_CASE("resume log: many records, some with many blobs, are read in pieces") {
  ResumeFixture fixture;
  Paths paths;
  {
    auto log = fixture.Begin(kFirstRun);
    for (int i = 0; i < 3000; ++i) {
      paths.push_back(fmt::format("data/{:05}", i));
      const std::size_t blobs = i % 1000 == 7 ? 20'000 : i % 3;
      log->Record(paths.back(), LiveFile(paths.back()).attributes, BlobsOf(paths.back(), blobs));
    }
  }
  auto log = fixture.Begin(kSecondRun);
  for (int i = 0; i < 3000; ++i) {
    Item item = LiveFile(paths[static_cast<std::size_t>(i)]);
    log->Mark(item);
    REQUIRE(item.was_saved);
    REQUIRE(log->Take(item.path)->size() ==
            (i % 1000 == 7 ? 20'000U : static_cast<unsigned>(i) % 3));
  }
}

TEST_CASE("resume log: files of other sources and foreign directories are left alone") {
  ResumeFixture fixture;
  fixture.Interrupt({"data/a"});
  {
    auto other = Unwrap(ResumeLog::Begin(fixture.NewSealer(), fixture.Directory(), "files-app-2",
                                         kSecondRun, kCut));
    Item item = LiveFile("data/a");
    other->Mark(item);
    CHECK_FALSE(item.was_saved);
    other->Forget();
  }
  CHECK(fixture.Found({"data/a"}) == Paths{"data/a"});
  if (::geteuid() == 0) {
    REQUIRE(::chown(fixture.Directory().c_str(), 65534, -1U) == 0);
    CHECK(Unwrap(ResumeLog::Begin(fixture.NewSealer(), fixture.Directory(), "files-app", kFirstRun,
                                  kCut)) == nullptr);
  }
}

TEST_CASE("resume log: a full disk ends the log and nothing else") {
  ResumeFixture fixture;
  auto log = fixture.Begin(kFirstRun);
  const std::vector<Id> blobs = BlobsOf("data/a", 1000);
  struct rlimit before {};
  REQUIRE(::getrlimit(RLIMIT_FSIZE, &before) == 0);
  const struct rlimit small {
    100'000, before.rlim_max
  };
  auto* const old = std::signal(SIGXFSZ, SIG_IGN);
  REQUIRE(::setrlimit(RLIMIT_FSIZE, &small) == 0);
  for (int i = 0; i < 20; ++i) log->Record("data/a", LiveFile("data/a").attributes, blobs);
  REQUIRE(::setrlimit(RLIMIT_FSIZE, &before) == 0);
  (void)std::signal(SIGXFSZ, old);
  REQUIRE(log->failure());
  REQUIRE_THAT(log->failure()->message(), Catch::Contains(kFirstRun));
}

}  // namespace
}  // namespace holdfast::repository
