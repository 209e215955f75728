#include "agent/sources/kafka/metadata_log.h"

#include "agent/sources/kafka/record_batch.h"
#include "agent/sources/kafka/segment_writer.h"
#include "common/base/format.h"
#include "tests/support/catch.h"
#include "tests/support/fake_snapshot_view.h"
#include "tests/support/file_trees.h"

namespace holdfast::kafka {
namespace {

using testing::Unwrap;
using testing::WriteText;

// One batch with a record at each offset.
std::string Batch(std::int64_t first, std::int64_t last) {
  BatchEncoder encoder;
  for (std::int64_t offset = first; offset <= last; ++offset) {
    Record record;
    record.offset = offset;
    record.value = AsBytes("value");
    REQUIRE(encoder.Add(record));
  }
  return std::string(AsText(encoder.Finish()));
}

// A broker's metadata log, and the changes that a broker makes to it.
struct Broker {
  Broker() {
    REQUIRE_OK(MakeDirectories(path));
    Append(0, Batch(0, 4));
    Append(5, Batch(5, 9));
  }
  std::string Segment(std::int64_t first) const { return path + "/" + SegmentName(first); }
  void Append(std::int64_t segment, const std::string& bytes) const {
    const std::string file = Segment(segment);
    WriteText(file, (testing::Exists(file) ? testing::ReadText(file) : "") + bytes);
  }
  std::string Snapshot(std::int64_t end) const {
    return fmt::format("{}/{:020}-0000000001.checkpoint", path, end);
  }
  // Adds a snapshot up to `end`, and removes the segment that begins at `removed`.
  void TakeSnapshot(std::int64_t end, std::int64_t removed) const {
    WriteText(Snapshot(end), fmt::format("all until {}", end));
    REQUIRE(::unlink(Segment(removed).c_str()) == 0);
  }

  TempDir top = Unwrap(TempDir::Create("kafka-metadata"));
  std::string path = top.path() + "/__cluster_metadata-0";
};

testing::FakeSnapshotView Take(MetadataLog& log) {
  testing::FakeSnapshotView view;
  while (auto item = Unwrap(log.Next("m"))) REQUIRE_OK(view.Add(*std::move(item)));
  return view;
}

std::vector<std::string> NamesOf(const testing::FakeSnapshotView& view) {
  std::vector<std::string> names;
  for (const auto& [path, node] : view.nodes) names.push_back(path);
  return names;
}

std::string ContentOf(const testing::FakeSnapshotView& view, const std::string& name) {
  return std::string(AsText(view.nodes.at("m/" + name).content));
}

TEST_CASE("metadata log: open files are saved even if they are deleted during the backup") {
  Broker broker;
  WriteText(broker.Snapshot(3), "old");
  WriteText(broker.Snapshot(7), "new");
  WriteText(broker.Snapshot(8) + ".part", "unfinished");
  WriteText(broker.path + "/quorum-state", "{}");
  WriteText(broker.path + "/00000000000000000005.index", "");

  MetadataLog log = Unwrap(MetadataLog::Open(broker.path));
  broker.Append(5, Batch(10, 11));
  REQUIRE_OK(RemoveTree(broker.path));

  REQUIRE(log.end() == 10);
  REQUIRE(log.snapshot_end() == 7);
  REQUIRE(log.Doubt().empty());
  REQUIRE(log.bytes() == Batch(0, 4).size() + Batch(5, 9).size() + 5);
  const auto view = Take(log);
  REQUIRE(NamesOf(view) == std::vector<std::string>{
                               "m", "m/00000000000000000000.log", "m/00000000000000000005.log",
                               "m/00000000000000000007-0000000001.checkpoint", "m/quorum-state"});
  REQUIRE(ContentOf(view, "00000000000000000005.log") == Batch(5, 9));
  REQUIRE(ContentOf(view, "00000000000000000007-0000000001.checkpoint") == "new");
}

// If the snapshots were opened first, there would be none, and a log that begins at 5.
TEST_CASE("metadata log: the log is opened before its snapshots") {
  Broker broker;
  bool has_gone_on = false;
  MetadataLog log = Unwrap(MetadataLog::Open(broker.path, [&] {
    has_gone_on = true;
    broker.TakeSnapshot(10, 0);
  }));
  REQUIRE(has_gone_on);
  REQUIRE(log.snapshot_end() == 10);
  REQUIRE(log.Doubt().empty());
  const auto view = Take(log);
  REQUIRE(view.nodes.contains("m/00000000000000000000.log"));
  REQUIRE(view.nodes.contains("m/00000000000000000010-0000000001.checkpoint"));
}

TEST_CASE("metadata log: a snapshot that ends after the log replaces all of it") {
  Broker broker;
  MetadataLog log = Unwrap(MetadataLog::Open(broker.path, [&] {
    broker.Append(5, Batch(10, 30));
    broker.TakeSnapshot(31, 0);
    broker.TakeSnapshot(31, 5);
  }));
  REQUIRE(log.end() == 10);
  REQUIRE(log.snapshot_end() == 31);
  REQUIRE(log.Doubt().empty());
}

TEST_CASE("metadata log: a batch that is still being written is ignored") {
  Broker broker;
  const std::string half = Batch(10, 20);
  std::string tail;
  SECTION("only its header") { tail = half.substr(0, 30); }
  SECTION("all except its last byte") { tail = half.substr(0, half.size() - 1); }
  SECTION("only preallocated zeros") { tail = std::string(4096, '\0'); }
  SECTION("something else") { tail = std::string(100, '\xff'); }
  SECTION("a batch with another offset") { tail = Batch(3, 4); }
  broker.Append(5, tail);
  MetadataLog log = Unwrap(MetadataLog::Open(broker.path));
  REQUIRE(log.end() == 10);
  REQUIRE(ContentOf(Take(log), "00000000000000000005.log") == Batch(5, 9));
}

TEST_CASE("metadata log: a log without its beginning or a snapshot is reported") {
  Broker broker;
  SECTION("no snapshot") {
    REQUIRE(::unlink(broker.Segment(0).c_str()) == 0);
    REQUIRE_THAT(Unwrap(MetadataLog::Open(broker.path)).Doubt(),
                 Catch::Contains("begins at 5 and there is no snapshot"));
  }
  SECTION("a snapshot before it") {
    broker.TakeSnapshot(4, 0);
    REQUIRE_THAT(Unwrap(MetadataLog::Open(broker.path)).Doubt(),
                 Catch::Contains(", after the snapshot's end at 4"));
  }
  SECTION("a snapshot that ends where it begins") {
    broker.TakeSnapshot(5, 0);
    REQUIRE(Unwrap(MetadataLog::Open(broker.path)).Doubt().empty());
  }
}

TEST_CASE("metadata log: a missing log is an error") {
  Broker broker;
  REQUIRE_FAILS(MetadataLog::Open(broker.top.path()), ErrorCode::kNotFound, "has no log");
  REQUIRE_FAILS(MetadataLog::Open(broker.path + "x"), ErrorCode::kNotFound,
                "read the attributes of");
}

TEST_CASE(
    "metadata log: a log truncated by a new leader is saved as it is, and marked as changed") {
  Broker broker;
  MetadataLog log = Unwrap(MetadataLog::Open(broker.path));
  REQUIRE(::truncate(broker.Segment(5).c_str(), 10) == 0);
  const auto view = Take(log);
  REQUIRE(view.changed == std::vector<std::string>{"m/00000000000000000005.log"});
  REQUIRE(ContentOf(view, "00000000000000000005.log").size() == 10);
}

}  // namespace
}  // namespace holdfast::kafka
