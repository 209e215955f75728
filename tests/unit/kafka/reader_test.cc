#include "common/kafka/reader.h"

#include <librdkafka/rdkafka.h>

#include <map>
#include <thread>

#include "tests/support/results.h"
#include "tests/unit/kafka/mock_cluster.h"

namespace holdfast::rdkafka {
namespace {

using holdfast::testing::Unwrap;
using testing::Api;
using testing::Content;
using testing::CreateFilled;
using testing::MockCluster;
using testing::WriteAll;
using testing::WriteNumbers;

constexpr std::chrono::minutes kLimit{2};

std::unique_ptr<Reader> OpenReader(const MockCluster& kafka, ReaderOptions options = {}) {
  return Unwrap(Reader::Open(kafka.options(), options));
}

std::string TextOf(const std::optional<ByteView>& bytes) {
  return bytes ? std::string(AsText(*bytes)) : "-";
}

// The events of each tag: "0=first 1=second end2 not_found".
using EventsByTag = std::map<std::uint64_t, std::string>;

std::string Described(const ReadEvent& event) {
  switch (event.kind) {
    case ReadEvent::Kind::kRecord:
      return std::to_string(event.offset) + "=" + TextOf(event.value);
    case ReadEvent::Kind::kEnd:
      return "end" + std::to_string(event.offset);
    case ReadEvent::Kind::kFailed:
      return std::string(ErrorCodeName(event.failure->code()));
  }
  return "";
}

// Reads until this many tags have ended or failed.
EventsByTag ReadToEnds(Reader& reader, std::size_t tags) {
  EventsByTag by_tag;
  std::size_t ended = 0;
  while (ended < tags) {
    for (const auto events = Unwrap(reader.Next(kLimit, {})); const ReadEvent& event : events) {
      std::string& line = by_tag[event.tag];
      line += (line.empty() ? "" : " ") + Described(event);
      if (event.kind != ReadEvent::Kind::kRecord) ++ended;
    }
  }
  return by_tag;
}

TEST_CASE("kafka reader: records are read as written") {
  MockCluster kafka;
  kafka.CreateTopic("orders", 1);
  WriteAll(kafka.options(), {"orders", 0},
           {{"k", "v", 1}, {"-", "-", 1'700'000'000'000}, {"", "", -5}, {"k", "-", -1}});
  auto reader = OpenReader(kafka);
  REQUIRE_OK(reader->Start({"orders", 0}, 0, 7));

  std::vector<std::string> records;
  while (records.size() < 4) {
    for (const auto events = Unwrap(reader->Next(kLimit, {})); const ReadEvent& event : events) {
      if (event.kind != ReadEvent::Kind::kRecord) continue;
      CHECK(event.tag == 7);
      CHECK(event.timestamp_type == TimestampType::kCreateTime);
      records.push_back(std::to_string(event.offset) + " " + TextOf(event.key) + " " +
                        TextOf(event.value) + " " + std::to_string(event.timestamp_ms));
    }
  }

  CHECK(records ==
        std::vector<std::string>{"0 k v 1", "1 - - 1700000000000", "2   -5", "3 k - -1"});
}

TEST_CASE("kafka reader: headers keep their order and duplicates, and null differs from empty") {
  MockCluster kafka;
  kafka.CreateTopic("orders", 1);
  auto writer = Unwrap(Writer::Open(kafka.options(), {}, {}));
  const std::vector<NewRecord::Header> headers = {
      {"b", AsBytes("1")}, {"a", std::nullopt}, {"b", ByteView()}, {"", AsBytes("x")}};
  REQUIRE_OK(writer->Write({.topic = "orders", .headers = headers}, {}));
  REQUIRE_OK(writer->Write({.topic = "orders"}, {}));
  REQUIRE_OK(writer->Flush({}));
  auto reader = OpenReader(kafka);
  REQUIRE_OK(reader->Start({"orders", 0}, 0, 0));

  std::vector<std::string> found;
  for (bool is_over = false; !is_over;) {
    for (const auto events = Unwrap(reader->Next(kLimit, {})); const ReadEvent& event : events) {
      is_over = event.kind == ReadEvent::Kind::kEnd;
      if (is_over) break;
      found.emplace_back("record");
      for (const auto read = Unwrap(reader->Headers(event)); const RecordHeader& header : read)
        found.push_back(std::string(header.name) + "=" + TextOf(header.value));
    }
  }

  CHECK(found == std::vector<std::string>{"record", "b=1", "a=-", "b=", "=x", "record"});
}

TEST_CASE("kafka reader: several partitions are read, each from its offset") {
  MockCluster kafka(2);
  CreateFilled(kafka, "orders", {3, 0, 2});
  CreateFilled(kafka, "clicks", {4});
  auto reader = OpenReader(kafka);
  REQUIRE_OK(reader->Start({"orders", 0}, 0, 10));
  REQUIRE_OK(reader->Start({"orders", 1}, 0, 11));
  REQUIRE_OK(reader->Start({"orders", 2}, 2, 12));
  REQUIRE_OK(reader->Start({"clicks", 0}, 0, 20));

  CHECK(ReadToEnds(*reader, 4) ==
        EventsByTag{
            {10, "0=0 1=1 2=2 end3"}, {11, "end0"}, {12, "end2"}, {20, "0=0 1=1 2=2 3=3 end4"}});
}

TEST_CASE("kafka reader: a missing offset ends only its partition") {
  MockCluster kafka;
  CreateFilled(kafka, "orders", {2, 2});
  auto reader = OpenReader(kafka);
  REQUIRE_OK(reader->Start({"orders", 0}, 99, 0));
  REQUIRE_OK(reader->Start({"orders", 1}, 0, 1));

  CHECK(ReadToEnds(*reader, 2) == EventsByTag{{0, "not_found"}, {1, "0=0 1=1 end2"}});
  reader->Stop({"orders", 0});  // it has already ended
}

TEST_CASE("kafka reader: a failure names the topic and the missing right") {
  MockCluster kafka;
  CreateFilled(kafka, "orders", {1});
  auto reader = OpenReader(kafka);
  kafka.FailNext(Api::kFetch, {RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED});
  REQUIRE_OK(reader->Start({"orders", 0}, 0, 0));

  const auto events = Unwrap(reader->Next(kLimit, {}));

  REQUIRE(events.size() == 1);
  REQUIRE(events[0].kind == ReadEvent::Kind::kFailed);
  CHECK(events[0].failure->code() == ErrorCode::kDenied);
  CHECK_THAT(events[0].failure->hint(), Catch::Contains("READ on topic \"orders\""));
}

TEST_CASE("kafka reader: a failed partition can be started again") {
  MockCluster kafka;
  CreateFilled(kafka, "orders", {2});
  auto reader = OpenReader(kafka);
  REQUIRE_OK(reader->Start({"orders", 0}, 50, 1));
  CHECK(ReadToEnds(*reader, 1) == EventsByTag{{1, "not_found"}});

  REQUIRE_OK(reader->Start({"orders", 0}, 1, 2));

  CHECK(ReadToEnds(*reader, 1) == EventsByTag{{2, "1=1 end2"}});
}

TEST_CASE("kafka reader: a stopped partition delivers nothing more") {
  MockCluster kafka;
  CreateFilled(kafka, "orders", {500, 3});
  auto reader = OpenReader(kafka, {.batch_records_max = 1});
  REQUIRE_OK(reader->Start({"orders", 0}, 0, 0));
  CHECK(Described(Unwrap(reader->Next(kLimit, {}))[0]) == "0=0");

  reader->Stop({"orders", 0});
  REQUIRE_OK(reader->Start({"orders", 1}, 1, 1));
  CHECK(ReadToEnds(*reader, 1) == EventsByTag{{1, "1=1 2=2 end3"}});

  REQUIRE_OK(reader->Start({"orders", 0}, 498, 5));
  CHECK(ReadToEnds(*reader, 1) == EventsByTag{{5, "498=498 499=499 end500"}});
}

TEST_CASE("kafka reader: a batch is no larger than requested") {
  MockCluster kafka;
  CreateFilled(kafka, "orders", {100});
  auto reader = OpenReader(kafka, {.batch_records_max = 16});
  REQUIRE_OK(reader->Start({"orders", 0}, 0, 0));

  std::int64_t next = 0;
  while (next < 100) {
    const auto events = Unwrap(reader->Next(kLimit, {}));
    CHECK(events.size() <= 16);
    for (const ReadEvent& event : events)
      if (event.kind == ReadEvent::Kind::kRecord) CHECK(event.offset == next++);
  }
}

TEST_CASE("kafka reader: a partition that grew ends again") {
  MockCluster kafka;
  kafka.CreateTopic("orders", 1);
  auto reader = OpenReader(kafka);
  REQUIRE_OK(reader->Start({"orders", 0}, 0, 0));
  CHECK(ReadToEnds(*reader, 1) == EventsByTag{{0, "end0"}});

  WriteNumbers(kafka.options(), {"orders", 0}, 2);

  CHECK(ReadToEnds(*reader, 1) == EventsByTag{{0, "0=0 1=1 end2"}});
}

TEST_CASE("kafka reader: it follows a leader, and continues after a lost connection") {
  MockCluster kafka(2);
  kafka.CreateTopic("orders", 1, 2);
  kafka.SetLeader("orders", 0, 1);
  WriteNumbers(kafka.options(), {"orders", 0}, 20);
  auto reader = OpenReader(kafka, {.batch_records_max = 1});
  REQUIRE_OK(reader->Start({"orders", 0}, 0, 0));
  CHECK(Described(Unwrap(reader->Next(kLimit, {}))[0]) == "0=0");

  kafka.SetLeader("orders", 0, 2);
  kafka.FailNext(Api::kFetch, {RD_KAFKA_RESP_ERR__TRANSPORT});

  const std::string rest = ReadToEnds(*reader, 1)[0];
  CHECK_THAT(rest, Catch::StartsWith("1=1 2=2 ") && Catch::EndsWith(" 19=19 end20"));
}

TEST_CASE("kafka reader: the error of an unreachable cluster has librdkafka's reason") {
  MockCluster kafka;
  kafka.CreateTopic("orders", 1);
  kafka.SetDown();
  auto reader = OpenReader(kafka);
  REQUIRE_OK(reader->Start({"orders", 0}, 0, 0));

  REQUIRE_FAILS(reader->Next(std::chrono::milliseconds(300), {}), ErrorCode::kUnavailable,
                "kafka at ");
  kafka.SetUp();
  CHECK(ReadToEnds(*reader, 1) == EventsByTag{{0, "end0"}});
}

TEST_CASE("kafka reader: a stop ends the wait") {
  MockCluster kafka;
  kafka.CreateTopic("orders", 1);
  auto reader = OpenReader(kafka);
  REQUIRE_OK(reader->Start({"orders", 0}, 0, 0));
  CHECK(ReadToEnds(*reader, 1) == EventsByTag{{0, "end0"}});

  std::stop_source stop;
  std::jthread stopper([&] { stop.request_stop(); });
  REQUIRE_FAILS(reader->Next(kLimit, stop.get_token()), ErrorCode::kCancelled, "stopped");
}

TEST_CASE("kafka reader: an invalid topic name is refused") {
  MockCluster kafka;
  auto reader = OpenReader(kafka);

  REQUIRE_FAILS(reader->Start({std::string(1000, 'x'), 0}, 0, 0), ErrorCode::kInvalidArgument,
                "topic");
}

}  // namespace
}  // namespace holdfast::rdkafka
