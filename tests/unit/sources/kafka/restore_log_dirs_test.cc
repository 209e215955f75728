#include "agent/sources/kafka/restore_log_dirs.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <map>
#include <optional>

#include "common/io/atomic_file.h"
#include "common/io/fd.h"
#include "tests/support/catch.h"
#include "tests/support/crash_child.h"
#include "tests/support/file_trees.h"
#include "tests/support/manual_clock.h"
#include "tests/support/replaced_paths.h"
#include "tests/unit/sources/kafka/snapshots.h"

namespace holdfast::kafka {
namespace {

using testing::Unwrap;
namespace fs = std::filesystem;

void WriteFile(const std::string& path, std::string_view text) {
  Unwrap(WriteFileAtomic(path, AsBytes(text), 0644));
}

std::string TextOfFile(const std::string& path) {
  return std::string(AsText(Unwrap(ReadWholeFile(path))));
}

// Two directories of a stopped broker, with newly created topics.
struct LogDirs {
  // In a temporary directory, with a broker's files and a snapshot.
  LogDirs() : temporary(Unwrap(TempDir::Create("log_dirs"))), path(temporary->path()) {
    MakeBroker();
    MakeSnapshot();
  }
  explicit LogDirs(std::string top) : path(std::move(top)) {}
  std::optional<TempDir> temporary;
  std::string path;
  testing::ManualClock clock;
  Progress progress;
  RestoreRequest request;
  StoredSnapshot snapshot;
  Partition made{9, {.records = 400, .gaps = 5, .first_offset = 1000}};

  void MakeBroker() {
    for (const char* name : {"one", "two"}) {
      REQUIRE_OK(MakeDirectories(path + "/" + name));
      WriteFile(path + "/" + name + "/meta.properties", "version=1\n");
    }
    MakePartition("one/orders-0");
    MakePartition("two/orders-1");
  }
  void MakePartition(const std::string& name, std::string_view records = "") {
    const std::string directory = path + "/" + name;
    REQUIRE_OK(MakeDirectories(directory));
    WriteFile(directory + "/partition.metadata", "version: 0\ntopic_id: x\n");
    WriteFile(directory + "/leader-epoch-checkpoint", "0\n1\n2 0\n");
    WriteFile(directory + "/00000000000000000000.log", records);
    for (const char* ending : {"index", "timeindex", "snapshot", "txnindex"})
      WriteFile(directory + "/00000000000000000000." + ending, "x");
  }
  void MakeSnapshot() {
    snapshot.AddTopic("orders", 3);
    for (std::int32_t id = 0; id < 3; ++id) snapshot.AddRecords("orders", id, made.records);
  }
  void DamageSnapshot() {
    for (auto& [stored, node] : snapshot.view.nodes)
      if (stored.starts_with("data/topics/orders/1/") && stored.ends_with(".log"))
        node.content.back() ^= 1;
  }
  Result<MethodOutcome> Run(bool dry_run = false) {
    request.log_dirs = {path + "/one", path + "/two"};
    SourceContext context;
    context.state_dir = path + "/state";
    context.clock = &clock;
    RestoreSpec spec;
    spec.snapshot = &snapshot.view;
    spec.dry_run = dry_run;
    return RestoreToLogDirs(context, request, spec, progress, {});
  }
  // File names in a partition's directory.
  std::vector<std::string> NamesOf(const std::string& name) const {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(path + "/" + name))
      names.push_back(entry.path().filename());
    std::ranges::sort(names);
    return names;
  }
  bool HasSnapshot(const std::string& name, std::int32_t id) {
    std::vector<std::string> expected = {"partition.metadata"};
    for (const auto& [stored, node] : snapshot.view.nodes) {
      if (!stored.starts_with(PartitionPath("orders", id)) || !stored.ends_with(".log")) continue;
      const std::string file = stored.substr(stored.rfind('/') + 1);
      expected.push_back(file);
      const std::string there = path + "/" + name + "/" + file;
      if (!fs::exists(there) || Unwrap(ReadWholeFile(there)) != node.content) return false;
    }
    std::ranges::sort(expected);
    return NamesOf(name) == expected && expected.size() > 3;
  }
};

TEST_CASE("kafka restore to log directories: files replace those of new topics") {
  LogDirs dirs;
  fs::permissions(dirs.path + "/two/orders-1", fs::perms(0750));

  const MethodOutcome done = Unwrap(dirs.Run());

  CHECK(dirs.HasSnapshot("one/orders-0", 0));
  CHECK(dirs.HasSnapshot("two/orders-1", 1));
  CHECK_THAT(done.lines.at(1), Catch::Contains("1 partition ") && Catch::Contains("orders-2"));
  struct stat status {};
  const std::string file =
      dirs.path + "/two/orders-1/" + SegmentName(dirs.made.records.front().offset);
  REQUIRE(::stat(file.c_str(), &status) == 0);
  CHECK((status.st_mode & 0777) == 0640);
  CHECK_FALSE(fs::exists(dirs.path + "/state/restore-x.json"));
  // Now the topics have records.
  REQUIRE_FAILS(dirs.Run(), ErrorCode::kAlreadyExists, "have records");
}

TEST_CASE("kafka restore to log directories: a partition keeps its end offset") {
  LogDirs dirs;
  // Partition 0 ended with a transaction marker after its last record. Partition 1's records were
  // deleted.
  const auto end_at = [&dirs](std::int32_t id, std::int64_t end, bool is_empty) {
    auto& node = dirs.snapshot.view.nodes.at(PartitionDocumentPath("orders", id));
    auto document = Unwrap(DecodePartition(AsText(node.content)));
    document.high = end;
    if (is_empty) document.files.clear();
    const std::string text = EncodePartition(document);
    node.content.assign(text.begin(), text.end());
  };
  const std::int64_t end = dirs.made.records.back().offset + 1;
  end_at(0, end + 2, false);
  end_at(1, 3'000'000'000, true);

  Unwrap(dirs.Run());

  CHECK(Unwrap(ReadWholeFile(dirs.path + "/one/orders-0/" + SegmentName(end + 1))) ==
        EmptyBatch(end + 1));
  CHECK(dirs.NamesOf("two/orders-1") ==
        std::vector<std::string>{"00000000003000000000.log", "partition.metadata"});
  CHECK(TextOfFile(dirs.path + "/two/orders-1/00000000003000000000.log").empty());
}

TEST_CASE("kafka restore to log directories: a partition missing from the snapshot is no success") {
  LogDirs dirs;
  dirs.snapshot.view.nodes.erase(PartitionDocumentPath("orders", 1));
  const auto before = dirs.NamesOf("two/orders-1");

  const MethodOutcome done = Unwrap(dirs.Run());

  REQUIRE(done.partly);
  CHECK_THAT(done.partly->message(), Catch::Contains("partition 1 of topic \"orders\" as a whole"));
  CHECK(dirs.HasSnapshot("one/orders-0", 0));
  CHECK(dirs.NamesOf("two/orders-1") == before);
}

TEST_CASE("kafka restore to log directories: a dry run changes nothing") {
  LogDirs dirs;
  const auto before = dirs.NamesOf("one/orders-0");

  const MethodOutcome done = Unwrap(dirs.Run(true));

  REQUIRE(done.plan.size() == 2);
  CHECK(done.plan[0].target == dirs.path + "/one/orders-0");
  CHECK(done.plan[0].items == 400);
  CHECK(dirs.NamesOf("one/orders-0") == before);
  CHECK_FALSE(fs::exists(dirs.path + "/state"));
  CHECK_FALSE(fs::exists(dirs.path + "/one/.lock"));
}

TEST_CASE("kafka restore to log directories: refused while a broker runs") {
  LogDirs dirs;
  WriteFile(dirs.path + "/two/.lock", "");
  const Fd held = Unwrap(OpenFile(dirs.path + "/two/.lock", O_RDWR));
  struct flock lock {};
  lock.l_type = F_WRLCK;
  // Like Java does. A process loses this kind of lock when it closes the file anywhere.
  for (const bool dry_run : {false, true}) {
    REQUIRE(::fcntl(held.get(), F_SETLK, &lock) == 0);
    REQUIRE_FAILS(dirs.Run(dry_run), ErrorCode::kBusy, "a broker runs");
  }

  REQUIRE_OK(dirs.Run());
}

TEST_CASE("kafka restore to log directories: only for topics that a broker has created") {
  const TempDir directory = Unwrap(TempDir::Create("log_dirs"));
  LogDirs dirs(directory.path());
  dirs.MakeSnapshot();
  REQUIRE_FAILS(dirs.Run(), ErrorCode::kNotFound, "log.dirs");
  REQUIRE_OK(MakeDirectories(dirs.path + "/one"));
  REQUIRE_FAILS(dirs.Run(), ErrorCode::kNotFound, "meta.properties");
  dirs.MakeBroker();
  dirs.request.prefix = "x.";
  REQUIRE_FAILS(dirs.Run(), ErrorCode::kNotFound, "none of the snapshot's partitions");
  dirs.request.prefix = "";
  fs::remove(dirs.path + "/one/orders-0/partition.metadata");
  REQUIRE_FAILS(dirs.Run(), ErrorCode::kNotFound, "partition.metadata");
  dirs.MakePartition("one/orders-0");
  dirs.MakePartition("one/orders-3");
  REQUIRE_FAILS(dirs.Run(), ErrorCode::kAlreadyExists, "more partitions than the snapshot's 3");
  fs::remove_all(dirs.path + "/one/orders-3");
  dirs.MakePartition("two/orders-0");
  REQUIRE_FAILS(dirs.Run(), ErrorCode::kInvalidArgument, "of the same partition");
}

TEST_CASE("kafka restore to log directories: records are replaced only on request") {
  LogDirs dirs;
  dirs.MakePartition("one/orders-0", "records");
  WriteFile(dirs.path + "/one/log-start-offset-checkpoint",
            "0\n3\nx 0 1\norders 0 5\norders 1 6\n");

  REQUIRE_FAILS(dirs.Run(), ErrorCode::kAlreadyExists, "orders-0");
  CHECK(TextOfFile(dirs.path + "/one/orders-0/00000000000000000000.log") == "records");
  dirs.request.replace_topic = true;
  REQUIRE_OK(dirs.Run());

  // The old entry about deleted records does not apply to these.
  CHECK(dirs.HasSnapshot("one/orders-0", 0));
  CHECK(TextOfFile(dirs.path + "/one/log-start-offset-checkpoint") == "0\n2\nx 0 1\norders 1 6\n");
  CHECK(dirs.HasSnapshot("two/orders-1", 1));
}

TEST_CASE("kafka restore to log directories: a damaged file changes nothing") {
  LogDirs dirs;
  dirs.DamageSnapshot();
  const auto before = dirs.NamesOf("one/orders-0");

  REQUIRE_FAILS(dirs.Run(), ErrorCode::kCorrupt, "nothing was changed");

  CHECK(dirs.NamesOf("one/orders-0") == before);
}

#ifdef HOLDFAST_CRASH_POINTS

// The child process of the next test.
// The brokers' user owns the log directories, and root restores into them.
TEST_CASE("kafka restore to log directories: a partition that becomes a symlink is not followed") {
  LogDirs dirs;
  const std::string victim = dirs.path + "/victim";
  REQUIRE_OK(MakeDirectories(victim));
  for (const char* name : {"partition.metadata", "service.log", "staged.holdfast"})
    WriteFile(victim + "/" + name, "root's\n");
  const auto before = testing::DescribeTree(victim);
  const std::string partition = dirs.path + "/two/orders-1";
  bool is_replaced = false;
  const auto replace = [&] {
    testing::ReplaceByLink(partition, victim);
    is_replaced = true;
  };
  SECTION("before its files are staged") {
    dirs.snapshot.view.on_open = [&](std::string_view path) {
      if (!is_replaced && path.starts_with("data/topics/orders/0/") && path.ends_with(".log"))
        replace();
    };
  }
  SECTION("while its files are staged") {
    dirs.snapshot.view.on_open = [&](std::string_view path) {
      if (!is_replaced && path.starts_with("data/topics/orders/1/") && path.ends_with(".log"))
        replace();
    };
  }

  REQUIRE_FAILS(dirs.Run(), ErrorCode::kDenied, "symlink");

  REQUIRE(is_replaced);
  REQUIRE(testing::DescribeTree(victim) == before);
}

TEST_CASE("kafka log directories crash child", "[.]") {
  LogDirs dirs(testing::ChildDirectory());
  dirs.MakeSnapshot();
  REQUIRE_OK(dirs.Run());
}

TEST_CASE("kafka restore to log directories: it is completed after a crash at any point") {
  int crashes = 0;
  for (int at = 1;; ++at) {
    LogDirs dirs;
    const int code = testing::RunCrashChild("kafka log directories crash child",
                                            fmt::format("kafka.log_dirs.swap:{}", at), dirs.path);
    if (code == 0) break;
    REQUIRE(code == testing::kKilled);
    ++crashes;

    const MethodOutcome done = Unwrap(dirs.Run());

    CHECK(done.resumed);
    CHECK(dirs.HasSnapshot("one/orders-0", 0));
    CHECK(dirs.HasSnapshot("two/orders-1", 1));
  }
  CHECK(crashes > 10);
}

TEST_CASE(
    "kafka restore to log directories: a failed second attempt says that the restore is "
    "incomplete") {
  LogDirs dirs;
  REQUIRE(testing::RunCrashChild("kafka log directories crash child", "kafka.log_dirs.swap:5",
                                 dirs.path) == testing::kKilled);
  dirs.DamageSnapshot();

  REQUIRE_FAILS(dirs.Run(), ErrorCode::kCorrupt, "the interrupted restore is still incomplete");
}

#endif

}  // namespace
}  // namespace holdfast::kafka
