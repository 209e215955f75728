#include "agent/sources/zookeeper/pinned_files.h"

#include <fcntl.h>
#include <unistd.h>

#include "tests/support/catch.h"
#include "tests/support/fake_snapshot_view.h"
#include "tests/unit/sources/zookeeper/data_directory.h"

namespace holdfast::zookeeper {
namespace {

using testing::BuildSnapshot;
using testing::DataDirectory;
using testing::TestLog;
using testing::Unwrap;

PinnedFiles OpenIn(const DataDirectory& data, std::function<void()> between = nullptr) {
  return Unwrap(PinnedFiles::Open(
      {.data_dir = data.path(), .log_dir = data.path(), .between = std::move(between)}, {}));
}

Bytes SnapshotOf(std::int64_t fuzzy_end = 0,
                 std::vector<testing::TestNode> nodes = {{.path = ""}}) {
  testing::TestSnapshot snapshot{.nodes = std::move(nodes)};
  if (fuzzy_end != 0) snapshot.digest = ZxidDigest{.zxid = fuzzy_end, .version = 2, .digest = 0};
  return BuildSnapshot(snapshot);
}

TestLog LogOf(std::int64_t first, std::int64_t last) {
  TestLog log;
  for (std::int64_t zxid = first; zxid <= last; ++zxid)
    log.Add(zxid, 5, TestLog::SetData("/", std::to_string(zxid), static_cast<int>(zxid)));
  return log;
}

// With a snapshot of 0 and a log of 1 to 3.
struct SmallDirectory : DataDirectory {
  SmallDirectory() {
    Write("snapshot.0", SnapshotOf());
    Write("log.1", LogOf(1, 3).bytes());
  }
};

std::vector<std::string> NamesOf(const PinnedFiles& files) {
  std::vector<std::string> names = {files.snapshot().name};
  for (const PinnedLog& log : files.logs()) names.push_back(log.file.name);
  return names;
}

using Names = std::vector<std::string>;

}  // namespace

TEST_CASE(
    "zookeeper files: the newest snapshot is taken, with the logs from the one that has its zxid") {
  DataDirectory data;
  data.Write("snapshot.0", SnapshotOf());
  data.Write("snapshot.5", SnapshotOf());
  data.Write("log.1", LogOf(1, 3).bytes());
  data.Write("log.4", LogOf(4, 6).bytes());
  data.Write("log.7", LogOf(7, 9).Raw(std::string(100, '\0')).bytes());
  data.Write("snapshot.6.tmp", SnapshotOf());
  const PinnedFiles files = OpenIn(data);
  REQUIRE(NamesOf(files) == Names{"snapshot.5", "log.4", "log.7"});
  REQUIRE(files.zxid() == 9);
  REQUIRE(files.is_covered());
  REQUIRE(files.damages().empty());
  REQUIRE(files.passed_over().empty());
  REQUIRE(files.logs()[1].file.attributes.size == LogOf(7, 9).bytes().size());
}

TEST_CASE(
    "zookeeper files: real directories, with and without a separate log directory or compression") {
  for (const char* version : {"38", "39", "39-gz", "39-snappy"}) {
    INFO(version);
    DataDirectory data;
    data.CopyReal(version);
    const PinnedFiles files = OpenIn(data);
    REQUIRE(files.snapshot().zxid == 0x2a);
    // Includes the log with 0x2a, although the server started another one after it.
    REQUIRE(files.logs().size() == 2);
    REQUIRE(files.zxid() == 0x38);
    const TreeFacts facts = Unwrap(ReadTreeFacts(files.Tree(), {}));
    REQUIRE(facts.nodes == 44);
    REQUIRE(facts.logged->digest == facts.digest);

    std::filesystem::create_directories(data.top() + "/log/version-2");
    for (const char* name : {"log.1", "log.2b"})
      std::filesystem::rename(data.PathOf(name), data.top() + "/log/version-2/" + name);
    const auto apart =
        Unwrap(PinnedFiles::Open({.data_dir = data.path(), .log_dir = data.top() + "/log"}, {}));
    REQUIRE(apart.zxid() == 0x38);
  }
}

// Why the order matters: between the two steps the server continues. It finishes the snapshot that
// it was writing, which then has parts of its latest transactions, and appends to its log. If the
// logs were read before the snapshots, they would not cover such a snapshot.
TEST_CASE("zookeeper files: logs are read after the snapshot was chosen") {
  const SmallDirectory data;
  int looks = 0;
  const PinnedFiles files = OpenIn(data, [&] {
    if (looks++ > 0) return;
    data.Append("log.1", ByteView(LogOf(4, 6).bytes()).subspan(16));
    data.Write("snapshot.5", SnapshotOf(6));
    data.Write("log.7", LogOf(7, 8).bytes());
  });
  REQUIRE(NamesOf(files) == Names{"snapshot.0", "log.1", "log.7"});
  REQUIRE(files.zxid() == 8);
  REQUIRE(files.is_covered());
}

TEST_CASE("zookeeper files: later transactions are read too, also from new logs") {
  const SmallDirectory data;
  PinnedFiles files = OpenIn(data);
  REQUIRE(files.zxid() == 3);
  const std::uint32_t sum = files.logs()[0].file.sum;
  data.Append("log.1", ByteView(LogOf(4, 6).bytes()).subspan(16));
  data.Write("log.7", LogOf(7, 8).bytes());
  REQUIRE_OK(files.Advance({}));
  REQUIRE(files.zxid() == 8);
  REQUIRE(files.logs()[0].file.sum != sum);
  for (const PinnedLog& log : files.logs())
    REQUIRE(Unwrap(testing::ReadAll(*PinnedFiles::OpenContent(log.file))).size() ==
            log.file.attributes.size);
}

TEST_CASE("zookeeper files: open files survive a purge, and a lost race is repeated") {
  const SmallDirectory data;
  const PinnedFiles files = OpenIn(data);
  data.Remove("snapshot.0");
  data.Remove("log.1");
  REQUIRE(Unwrap(testing::ReadAll(*PinnedFiles::OpenContent(files.snapshot()))) == SnapshotOf());
  REQUIRE(Unwrap(ReadTreeFacts(files.Tree(), {})).zxid == 3);

  // Both were removed after the list and before the open, because newer ones exist.
  data.Write("snapshot.0", SnapshotOf());
  data.Write("log.1", LogOf(1, 3).bytes());
  bool has_purged = false;
  const auto purge = [&] {
    if (std::exchange(has_purged, true)) return;
    data.Write("snapshot.9", SnapshotOf());
    data.Write("log.a", LogOf(10, 12).bytes());
    data.Remove("snapshot.0");
    data.Remove("log.1");
  };
  const PinnedFiles newer = Unwrap(PinnedFiles::Open(
      {.data_dir = data.path(), .log_dir = data.path(), .is_live = true, .between = purge}, {}));
  REQUIRE(NamesOf(newer) == Names{"snapshot.9", "log.a"});
  REQUIRE(newer.zxid() == 12);
  REQUIRE(newer.damages().empty());
}

TEST_CASE("zookeeper files: a torn snapshot is replaced by an older one, and reported") {
  DataDirectory data;
  const Bytes whole = SnapshotOf(5);
  data.Write("snapshot.0", SnapshotOf());
  data.Write("snapshot.5", ByteView(whole).first(whole.size() - 20));
  data.Write("log.1", LogOf(1, 7).bytes());
  const PinnedFiles files = OpenIn(data);
  REQUIRE(NamesOf(files) == Names{"snapshot.0", "log.1"});
  REQUIRE(files.passed_over().size() == 1);
  REQUIRE(files.passed_over()[0].path == data.PathOf("snapshot.5"));
  REQUIRE_THAT(files.passed_over()[0].reason, Catch::Contains("ends in the middle"));

  data.Write("snapshot.0", {});
  REQUIRE_FAILS(PinnedFiles::Open({.data_dir = data.path(), .log_dir = data.path()}, {}),
                ErrorCode::kCorrupt, "none of the 2 snapshots");
}

TEST_CASE(
    "zookeeper files: a snapshot whose logs were never written is replaced by an older one too") {
  DataDirectory data;
  data.Write("snapshot.0", SnapshotOf());
  data.Write("snapshot.5", SnapshotOf(9));
  data.Write("log.1", LogOf(1, 7).bytes());
  const PinnedFiles files = OpenIn(data);
  REQUIRE(files.snapshot().zxid == 0);
  REQUIRE(files.is_covered());
  REQUIRE_THAT(files.passed_over().at(0).reason, Catch::Contains("0x9"));
  data.Remove("snapshot.0");
  REQUIRE_FALSE(OpenIn(data).is_covered());
}

TEST_CASE("zookeeper files: nothing after a damaged record is used") {
  DataDirectory data;
  data.Write("snapshot.0", SnapshotOf());
  Bytes log = LogOf(1, 5).bytes();
  log[log.size() - 30] ^= 1;  // of the last record
  data.Write("log.1", log);
  REQUIRE(OpenIn(data).zxid() == 4);
  REQUIRE(OpenIn(data).damages().empty());  // looks like a torn end

  const Bytes more = LogOf(6, 6).bytes();
  log.insert(log.end(), more.begin() + 16, more.end());
  data.Write("log.1", log);
  data.Write("log.7", LogOf(7, 9).bytes());
  const PinnedFiles files = OpenIn(data);
  REQUIRE(files.zxid() == 4);
  REQUIRE(NamesOf(files) == Names{"snapshot.0", "log.1"});
  REQUIRE(files.damages().size() == 1);
  REQUIRE_THAT(files.damages()[0], Catch::Contains("is damaged after 0x4"));
}

TEST_CASE("zookeeper files: missing transactions are reported") {
  const SmallDirectory data;
  data.Write("log.6", LogOf(6, 7).bytes());
  data.Write("log.8", LogOf(8, 9).bytes());
  REQUIRE_THAT(OpenIn(data).damages().at(0), Catch::Contains("from 0x4 to 0x5 are missing"));
  // A server would replay it after the gap.
  REQUIRE(NamesOf(OpenIn(data)) == Names{"snapshot.0", "log.1"});
  REQUIRE(OpenIn(data).zxid() == 3);
  // A log without transactions hides nothing.
  data.Write("log.1", LogOf(1, 0).bytes());
  REQUIRE_THAT(OpenIn(data).damages().at(0), Catch::Contains("from 0x1 to 0x5 are missing"));
  data.Remove("log.1");
  REQUIRE_THAT(OpenIn(data).damages().at(0), Catch::Contains("from 0x1 to 0x5 are missing"));
  REQUIRE(NamesOf(OpenIn(data)) == Names{"snapshot.0"});
}

TEST_CASE("zookeeper files: a new leader starts a new epoch with its own counter") {
  const SmallDirectory data;
  data.Write("log.100000001", LogOf(0x100000001, 0x100000002).bytes());
  REQUIRE(OpenIn(data).damages().empty());
  REQUIRE(OpenIn(data).zxid() == 0x100000002);
  // It began after transactions in a snapshot that does not exist.
  data.Remove("log.100000001");
  data.Write("log.100000003", LogOf(0x100000003, 0x100000004).bytes());
  REQUIRE_THAT(OpenIn(data).damages().at(0),
               Catch::Contains("from 0x4 to 0x100000002 are missing"));
}

// A follower that was away for long gets the leader's tree, writes it as a snapshot and continues
// from there. Its older logs end before that.
TEST_CASE("zookeeper files: transactions in a snapshot are not missing from earlier logs") {
  DataDirectory data;
  data.Write("snapshot.0", SnapshotOf());
  const Bytes torn = LogOf(1, 4).bytes();
  data.Write("log.1", ByteView(torn).first(torn.size() - 5));
  data.Write("snapshot.9", SnapshotOf());
  data.Write("log.a", LogOf(10, 12).bytes());
  const PinnedFiles files = OpenIn(data);
  REQUIRE(NamesOf(files) == Names{"snapshot.9", "log.1", "log.a"});
  REQUIRE(files.damages().empty());
  REQUIRE(files.zxid() == 12);
}

TEST_CASE("zookeeper files: a log without a header is skipped, and the previous one is continued") {
  const SmallDirectory data;
  data.Write("log.4", {});
  PinnedFiles files = OpenIn(data);
  data.Append("log.4", LogOf(4, 5).bytes());
  data.Write("log.6", {});
  REQUIRE_OK(files.Advance({}));
  files.DropEmptyLogs();
  REQUIRE(NamesOf(files) == Names{"snapshot.0", "log.1", "log.4"});
  REQUIRE(files.zxid() == 5);
}

TEST_CASE("zookeeper files: a malformed log is an error with a hint") {
  DataDirectory data;
  data.Write("snapshot.0", SnapshotOf());
  data.Write("log.1", AsBytes("no log of any kind, for long"));
  const auto files = PinnedFiles::Open({.data_dir = data.path(), .log_dir = data.path()}, {});
  REQUIRE_FAILS(files, ErrorCode::kCorrupt, "log.1");
  REQUIRE_THAT(files.error().hint(), Catch::Contains("another member"));
}

TEST_CASE("zookeeper files: a server that never ran and an unreadable directory are errors") {
  DataDirectory data;
  const auto open = [&](const std::string& path) {
    return PinnedFiles::Open({.data_dir = path, .log_dir = path}, {});
  };
  REQUIRE_FAILS(open(data.path()), ErrorCode::kNotFound, "no snapshot exists");
  REQUIRE_FAILS(open(data.top() + "/none"), ErrorCode::kNotFound, "version-2");
  data.Write("snapshot.0", SnapshotOf());
  std::stop_source stop;
  stop.request_stop();
  REQUIRE_FAILS(
      PinnedFiles::Open({.data_dir = data.path(), .log_dir = data.path()}, stop.get_token()),
      ErrorCode::kCancelled, "");
}

TEST_CASE("zookeeper files: a log that is rewritten while it is saved is detected") {
  const SmallDirectory data;
  const PinnedFiles files = OpenIn(data);
  const auto content = PinnedFiles::OpenContent(files.logs()[0].file);
  const Fd log = Unwrap(OpenFile(data.PathOf("log.1"), O_RDWR));
  REQUIRE(::pwrite(log.get(), "x", 1, 40) == 1);
  REQUIRE_FAILS(testing::ReadAll(*content), ErrorCode::kUnavailable,
                "changed since it was checked");
}

}  // namespace holdfast::zookeeper
