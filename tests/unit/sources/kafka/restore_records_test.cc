#include "agent/sources/kafka/restore_records.h"

#include <librdkafka/rdkafka.h>

#include <algorithm>
#include <set>

#include "agent/sources/kafka/restore_groups.h"
#include "common/base/format.h"
#include "tests/support/catch.h"
#include "tests/unit/kafka/mock_cluster.h"
#include "tests/unit/sources/kafka/snapshots.h"

namespace holdfast::kafka {
namespace {

using holdfast::testing::Unwrap;
using rdkafka::TopicPartition;
using rdkafka::testing::MockCluster;
using rdkafka::testing::WriteNumbers;
using Action = TargetTopic::Action;

// A snapshot, and a cluster that has its topics.
struct RestoreScene {
  MockCluster kafka;
  StoredSnapshot snapshot;
  RestoreRequest request;
  SystemClock clock;
  Progress progress;
  std::vector<StoredTopic> stored;
  CommittedByPartition committed;
  std::string modified;

  // Adds a topic with one partition: with these records in the snapshot, empty in the cluster.
  void Hold(const std::string& topic, std::span<const Record> records) {
    snapshot.AddTopic(topic, 1);
    snapshot.AddRecords(topic, 0, records);
    kafka.CreateTopic(topic, 1);
  }
  Result<WrittenPartitions> Run(Action action = Action::kMake, std::stop_token stop = {}) {
    stored = Unwrap(ReadStoredTopics(snapshot.view, request));
    committed = Unwrap(ReadStoredGroups(snapshot.view, stored)).committed;
    std::vector<TargetTopic> topics;
    for (const StoredTopic& topic : stored) topics.push_back({.stored = &topic, .action = action});
    auto client = Unwrap(rdkafka::Client::Open(kafka.options()));
    RecordRestore restore({.snapshot = &snapshot.view,
                           .request = &request,
                           .client = client.get(),
                           .clock = &clock,
                           .progress = &progress},
                          stop);
    auto written = restore.Run(topics, committed);
    modified = restore.modified();
    return written;
  }
  // All records of a partition as texts, without their timestamp type.
  std::vector<std::string> Read(const std::string& topic, std::int32_t partition) {
    auto client = Unwrap(rdkafka::Client::Open(kafka.options()));
    const TopicPartition one{topic, partition};
    const auto bounds = Unwrap(rdkafka::ListBounds(*client, std::span(&one, 1), {}));
    RecordFetcher fetcher([this] { return rdkafka::Reader::Open(kafka.options(), {}); }, {});
    REQUIRE_OK(fetcher.Begin({.partition = one, .from = bounds[0].low, .end = bounds[0].high}));
    std::vector<std::string> texts;
    while (const Record* record = Unwrap(fetcher.Next())) texts.push_back(Text(*record));
    return texts;
  }
};

// The texts of these records in a topic that begins with 0 and has no gaps.
std::vector<std::string> InPlace(std::span<const Record> records) {
  std::vector<std::string> texts;
  for (Record record : records) {
    record.offset = static_cast<std::int64_t>(texts.size());
    record.timestamp_type = TimestampType::kCreateTime;
    texts.push_back(Text(record));
  }
  return texts;
}

TEST_CASE("kafka record restore: all records are restored, and no others") {
  RestoreScene scene;
  const Partition one(
      1, {.records = 2000, .gaps = 5, .with_headers = false, .first_offset = 3'000'000'000});
  const Partition two(
      2, {.records = 300, .same_time = 30, .with_headers = false, .log_append_time = true});
  for (const char* topic : {"orders", "events"}) {
    scene.snapshot.AddTopic(topic, 3);
    scene.snapshot.AddRecords(topic, 0, one.records);
    scene.snapshot.AddRecords(topic, 2, two.records);
    scene.kafka.CreateTopic("x." + std::string(topic), 3);
  }
  scene.request.prefix = "x.";

  const WrittenPartitions written = Unwrap(scene.Run());

  for (const char* topic : {"x.orders", "x.events"}) {
    CHECK(scene.Read(topic, 0) == InPlace(one.records));
    CHECK(scene.Read(topic, 1).empty());
    CHECK(scene.Read(topic, 2) == InPlace(two.records));
  }
  CHECK(written.size() == 6);
  CHECK(written.at({"x.orders", 0}).records == 2000);
  CHECK(written.at({"x.orders", 1}).records == 0);
  CHECK(scene.progress.items == 4600);
}

TEST_CASE("kafka record restore: null, empty and unusual fields are preserved") {
  RestoreScene scene;
  TextRecords made;
  made.Add(0, "-", -1);
  made.Add(1, "", -31'536'000'000);
  made.Add(2, "v", 4'102'444'800'000).key = ByteView();
  HeaderList headers;
  headers.Add(AsBytes("a"), AsBytes("1"));
  headers.Add(AsBytes("a"), std::nullopt);
  headers.Add({}, ByteView());
  made.Add(3, "v", 5).headers = headers.view();
  scene.Hold("odd", made.records);

  REQUIRE_OK(scene.Run());

  CHECK(scene.Read("odd", 0) == InPlace(made.records));
}

TEST_CASE("kafka record restore: a timestamp of 0 becomes 1 only on request") {
  RestoreScene scene;
  TextRecords made;
  made.Add(0, "v", 0);
  scene.Hold("t", made.records);

  REQUIRE_FAILS(scene.Run(), ErrorCode::kUnsupported, "the record at 0");
  scene.request.zero_timestamp_as_one = true;
  REQUIRE_OK(scene.Run());

  CHECK(scene.Read("t", 0) == std::vector<std::string>{"0@1 null='v'"});
}

TEST_CASE("kafka record restore: only records before a given time are restored") {
  RestoreScene scene;
  const Partition made(3, {.records = 500, .with_headers = false});
  scene.Hold("t", made.records);
  scene.request.until_ms = 1'700'000'000'000;
  std::vector<Record> expected;
  for (const Record& record : made.records)
    if (record.timestamp < *scene.request.until_ms) expected.push_back(record);

  REQUIRE_OK(scene.Run());

  CHECK(scene.Read("t", 0) == InPlace(expected));
}

TEST_CASE("kafka record restore: an interrupted restore is resumed") {
  RestoreScene scene;
  scene.snapshot.AddTopic("t", 2);
  scene.kafka.CreateTopic("t", 2);
  const Partition made(4, {.records = 1000, .gaps = 10, .with_headers = false});
  const Partition other(5, {.records = 10, .with_headers = false});
  // The records that the first process wrote before it died.
  scene.snapshot.AddRecords("t", 0, std::span(made.records).first(377));
  scene.snapshot.AddRecords("t", 1, other.records);
  REQUIRE_OK(scene.Run());
  scene.snapshot.AddRecords("t", 0, made.records);
  scene.snapshot.AddGroup("g", {{"t", 0, made.records[100].offset, -1, ""},
                                {"t", 0, made.records[900].offset, -1, ""},
                                {"t", 0, 1'000'000, -1, ""}});

  const WrittenPartitions written = Unwrap(scene.Run(Action::kGoOn));

  CHECK(scene.Read("t", 0) == InPlace(made.records));
  CHECK(scene.Read("t", 1) == InPlace(other.records));
  CHECK(written.at({"t", 0}).were_there == 377);
  CHECK(written.at({"t", 1}).were_there == 10);
  const CommittedOffsets& committed = scene.committed.at({"t", 0});
  CHECK(committed.PlaceOf(made.records[100].offset) == 100);
  CHECK(committed.PlaceOf(made.records[900].offset) == 900);
  CHECK(committed.PlaceOf(1'000'000) == 1000);
}

TEST_CASE("kafka record restore: foreign records are not resumed") {
  RestoreScene scene;
  const Partition made(4, {.records = 100, .with_headers = false});
  scene.Hold("t", made.records);
  WriteNumbers(scene.kafka.options(), {"t", 0}, 3);

  REQUIRE_FAILS(scene.Run(Action::kMake), ErrorCode::kAlreadyExists,
                "is no longer empty: another client writes there");
  CHECK(scene.modified.empty());
  REQUIRE_FAILS(scene.Run(Action::kGoOn), ErrorCode::kAlreadyExists, "has other records");
  CHECK(scene.modified == "t");
  CHECK(scene.Read("t", 0).size() == 3);

  scene.snapshot.AddRecords("t", 0, std::span(made.records).first(2));
  REQUIRE_FAILS(scene.Run(Action::kGoOn), ErrorCode::kAlreadyExists, "has more records");
}

TEST_CASE("kafka record restore: an error of the broker ends it, and names the topic") {
  RestoreScene scene;
  const Partition made(4, {.records = 100, .with_headers = false});
  scene.Hold("t", made.records);
  scene.kafka.FailNext(rdkafka::testing::Api::kProduce, {32});  // INVALID_TIMESTAMP

  REQUIRE_FAILS(scene.Run(), ErrorCode::kInvalidArgument, "write partition 0 of topic \"t\"");
  REQUIRE_OK(scene.Run(Action::kGoOn));
  CHECK(scene.Read("t", 0) == InPlace(made.records));
}

TEST_CASE("kafka record restore: it continues after a leader change") {
  RestoreScene scene;
  const Partition made(4, {.records = 100, .with_headers = false});
  scene.Hold("t", made.records);
  scene.kafka.FailNext(rdkafka::testing::Api::kProduce,
                       {6, 6, 7});  // NOT_LEADER, REQUEST_TIMED_OUT

  REQUIRE_OK(scene.Run());

  CHECK(scene.Read("t", 0) == InPlace(made.records));
}

TEST_CASE("kafka record restore: stops on request") {
  RestoreScene scene;
  const Partition made(4, {.records = 100, .with_headers = false});
  scene.Hold("t", made.records);
  std::stop_source stop;
  stop.request_stop();

  REQUIRE_FAILS(scene.Run(Action::kMake, stop.get_token()), ErrorCode::kCancelled, "");
}

TEST_CASE("kafka read back: differing records are reported") {
  MockCluster kafka;
  rdkafka::testing::CreateFilled(kafka, "t", {10, 10});
  const SystemClock clock;
  const auto open = [&kafka] { return rdkafka::Reader::Open(kafka.options(), {}); };
  PlaceTally tally;
  TextRecords made;
  for (int i = 0; i < 10; ++i) made.Add(i, std::to_string(i));
  for (const Record& record : made.records) tally.Add(record, record.timestamp);
  const RecordRun run = tally.Finish();
  RecordRun other = run;
  other.digest[0] ^= 1;

  {
    ReadBack read_back(open, clock);
    read_back.End(read_back.Begin({"t", 0}, 0, 0), run);
    REQUIRE_OK(read_back.Finish({}));
    read_back.End(read_back.Begin({"t", 1}, 0, 0), other);
    REQUIRE_FAILS(read_back.Finish({}), ErrorCode::kCorrupt, "partition 1 of topic \"t\"");
    CHECK(read_back.failure());
  }
  {
    // Starts before the records exist, and waits for them.
    ReadBack read_back(open, clock);
    const auto id = read_back.Begin({"t", 0}, 10, 0);
    WriteNumbers(kafka.options(), {"t", 0}, 10);
    read_back.End(id, run);
    REQUIRE_OK(read_back.Finish({}));
  }
  {
    // Missing records are not waited for forever.
    RecordRun more = run;
    more.records = 11;
    ReadBack read_back(open, clock, std::chrono::milliseconds(1));
    read_back.End(read_back.Begin({"t", 1}, 0, 0), more);
    REQUIRE_FAILS(read_back.Finish({}), ErrorCode::kTimedOut, "1 of 11 records");
  }
  ReadBack unfinished(open, clock);
  unfinished.Begin({"t", 1}, 10, 0);  // its destructor does not hang
}

TEST_CASE("kafka group restore: each group gets its offsets, translated") {
  MockCluster kafka;
  kafka.CreateTopic("new", 2);
  StoredSnapshot snapshot;
  snapshot.AddTopic("orders", 2);
  snapshot.AddGroup(
      "a", {{"orders", 0, 5, 3, "note"}, {"orders", 1, 6, -1, ""}, {"gone", 0, 7, -1, ""}});
  snapshot.AddGroup("b", {{"orders", 1, 9, -1, ""}});
  snapshot.AddGroup("c", {{"gone", 1, 9, -1, ""}});
  RestoreRequest request;
  request.renames = {{"orders", "new"}};
  const auto topics = Unwrap(ReadStoredTopics(snapshot.view, request));
  auto client = Unwrap(rdkafka::Client::Open(kafka.options()));
  std::set<std::string> done;
  std::vector<std::string> asked;
  const TranslateOffset translate = [&](const TopicPartition& partition, std::int64_t offset) {
    asked.push_back(fmt::format("{}-{}@{}", partition.topic, partition.partition, offset));
    return partition.partition == 1 && offset == 6 ? std::nullopt : std::optional(offset + 1000);
  };

  const GroupOutcome outcome =
      Unwrap(CommitGroups(*client, snapshot.view, topics, false, translate, done, {}));

  CHECK(done == std::set<std::string>{"a", "b"});
  CHECK(outcome.offsets == 2);
  CHECK(outcome.failed.empty());
  CHECK(asked == std::vector<std::string>{"orders-0@5", "orders-1@6", "orders-1@9"});
}

TEST_CASE("kafka group restore: a group in use or refused does not affect the others") {
  struct Failure {
    rdkafka::testing::Api api;
    int error;
    ErrorCode code;
    const char* message;
  };
  const auto failure = GENERATE(
      Failure{rdkafka::testing::Api::kOffsetCommit, RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID,
              ErrorCode::kBusy, "group \"a\" has active members"},
      Failure{rdkafka::testing::Api::kFindCoordinator, RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED,
              ErrorCode::kDenied, "group \"a\""});
  INFO(failure.message);
  MockCluster kafka;
  kafka.CreateTopic("orders", 1);
  StoredSnapshot snapshot;
  snapshot.AddTopic("orders", 1);
  snapshot.AddGroup("a", {{"orders", 0, 5, -1, ""}});
  snapshot.AddGroup("b", {{"orders", 0, 6, -1, ""}});
  const auto topics = Unwrap(ReadStoredTopics(snapshot.view, {}));
  auto client = Unwrap(rdkafka::Client::Open(kafka.options()));
  snapshot.AddGroup("d", {{"orders", 0, 6, -1, ""}});
  std::set<std::string> done = {"d"};  // by an earlier attempt
  kafka.FailNext(failure.api, {failure.error});

  const GroupOutcome outcome = Unwrap(CommitGroups(
      *client, snapshot.view, topics, false,
      [](const TopicPartition&, std::int64_t offset) { return std::optional(offset); }, done, {}));

  CHECK(done == std::set<std::string>{"b", "d"});
  CHECK(outcome.offsets == 1);
  REQUIRE(outcome.failed.size() == 1);
  CHECK(outcome.failed[0].code() == failure.code);
  CHECK_THAT(outcome.failed[0].message(), Catch::Contains(failure.message));
}

TEST_CASE("kafka group restore: offsets are exact if the last record is at its old offset") {
  MockCluster kafka;
  kafka.CreateTopic("orders", 5);
  StoredSnapshot snapshot;
  snapshot.AddTopic("orders", 5);
  TextRecords made;
  for (int i = 0; i < 10; ++i) made.Add(i, std::to_string(i));
  TextRecords later;
  later.Add(5, "9");
  snapshot.AddRecords("orders", 0, made.records);
  snapshot.AddRecords("orders", 1, later.records);   // at other offsets
  snapshot.AddRecords("orders", 2, made.records);    // more than in the cluster
  WriteNumbers(kafka.options(), {"orders", 0}, 12);  // grown since
  WriteNumbers(kafka.options(), {"orders", 1}, 10);
  WriteNumbers(kafka.options(), {"orders", 2}, 9);
  WriteNumbers(kafka.options(), {"orders", 3}, 1);  // not in the snapshot; partition 4 is empty
  std::vector<GroupOffsetFacts> offsets;
  for (std::int32_t i = 0; i < 5; ++i) offsets.push_back({"orders", i, 7, -1, ""});
  snapshot.AddGroup("g", offsets);
  const auto topics = Unwrap(ReadStoredTopics(snapshot.view, {}));
  const auto committed = Unwrap(ReadStoredGroups(snapshot.view, topics)).committed;
  auto client = Unwrap(rdkafka::Client::Open(kafka.options()));
  std::vector<std::string> warnings;

  const auto exact =
      Unwrap(FindExactPartitions(*client, snapshot.view, topics, committed, warnings, {}));

  std::set<std::int32_t> found;
  for (const auto& [partition, bounds] : exact) found.insert(partition.partition);
  CHECK(found == std::set<std::int32_t>{0, 4});
  CHECK(exact.at({"orders", 0}).high == 12);
  CHECK(warnings.size() == 3);
}

}  // namespace
}  // namespace holdfast::kafka
