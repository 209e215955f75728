#include "agent/sources/kafka/record_fetcher.h"

#include <catch2/catch.hpp>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "tests/support/results.h"
#include "tests/unit/kafka/mock_cluster.h"

namespace holdfast::kafka {
namespace {

using holdfast::testing::Unwrap;
using rdkafka::testing::MockCluster;
using rdkafka::testing::WriteAll;
using rdkafka::testing::WriteNumbers;

std::string ValueOf(const Record& record) {
  return record.value ? std::string(AsText(*record.value)) : "-";
}

struct Scene {
  MockCluster kafka;
  int readers = 0;
  std::stop_source stop;

  RecordFetcher::OpenReader Open() {
    return [this] {
      ++readers;
      return rdkafka::Reader::Open(kafka.options(), {});
    };
  }
  // A topic with so many records in each partition.
  void Fill(const std::string& topic, int partitions, int records) {
    kafka.CreateTopic(topic, partitions);
    for (int i = 0; i < partitions; ++i) WriteNumbers(kafka.options(), {topic, i}, records);
  }
};

RecordRange RangeOf(const std::string& topic, std::int32_t partition, std::int64_t from,
                    std::int64_t end) {
  return {.partition = {topic, partition}, .leader = 1, .from = from, .end = end};
}

std::string Stream(RecordFetcher& fetcher, const RecordRange& range) {
  REQUIRE_OK(fetcher.Begin(range));
  std::string text;
  while (const Record* record = Unwrap(fetcher.Next())) text += ValueOf(*record) + " ";
  REQUIRE_FALSE(fetcher.is_streaming());
  return text;
}

TEST_CASE("record fetcher: a stream gives the range and no more") {
  Scene scene;
  scene.Fill("t", 2, 10);
  RecordFetcher fetcher(scene.Open(), {});

  REQUIRE(Stream(fetcher, RangeOf("t", 0, 3, 6)) == "3 4 5 ");
  REQUIRE(fetcher.position() == 6);
  REQUIRE(Stream(fetcher, RangeOf("t", 1, 8, 10)) == "8 9 ");
  REQUIRE(Stream(fetcher, RangeOf("t", 0, 0, 2)) == "0 1 ");
  REQUIRE(Stream(fetcher, RangeOf("t", 0, 5, 5)) == "");
  REQUIRE(scene.readers == 1);
}

TEST_CASE("record fetcher: small ranges are read at once, each in its order") {
  Scene scene;
  scene.Fill("a", 3, 5);
  scene.Fill("b", 1, 7);
  RecordFetcher fetcher(scene.Open(), {});
  const std::vector<RecordRange> ranges = {RangeOf("a", 0, 0, 5), RangeOf("a", 1, 2, 4),
                                           RangeOf("a", 2, 5, 5), RangeOf("b", 0, 6, 7)};

  const auto fetched = Unwrap(fetcher.FetchSmall(ranges));

  std::vector<std::string> texts;
  for (const auto& one : fetched) {
    REQUIRE(one.is_whole);
    REQUIRE_FALSE(one.failure);
    std::string& text = texts.emplace_back();
    for (std::size_t i = 0; i < one.records.size(); ++i) text += ValueOf(one.records.at(i)) + " ";
  }
  REQUIRE(texts == std::vector<std::string>{"0 1 2 3 4 ", "2 3 ", "", "6 "});
  REQUIRE(fetched[1].records.at(0).offset == 2);
  // What was read so can be read again, as a stream.
  REQUIRE(Stream(fetcher, RangeOf("a", 0, 1, 3)) == "1 2 ");
}

TEST_CASE("record fetcher: what is not small after all is left to a stream") {
  Scene scene;
  scene.kafka.CreateTopic("t", 1);
  const std::string large(RecordFetcher::kSmallBytesMax / 2, 'x');
  WriteAll(scene.kafka.options(), {"t", 0},
           {{.value = large}, {.value = large}, {.value = large}, {.value = "end"}});
  RecordFetcher fetcher(scene.Open(), {});
  const RecordRange range = RangeOf("t", 0, 0, 4);

  const auto fetched = Unwrap(fetcher.FetchSmall({&range, 1}));

  REQUIRE_FALSE(fetched[0].is_whole);
  REQUIRE_FALSE(fetched[0].failure);
  REQUIRE(fetched[0].records.size() == 0);
  REQUIRE(Stream(fetcher, range).size() == 3 * large.size() + 3 + 4);
}

TEST_CASE("record fetcher: records are kept as they are") {
  HeaderList list;
  list.Add(AsBytes("name"), std::nullopt);
  list.Add(AsBytes("name"), ByteView());
  Record record;
  record.offset = 7;
  record.timestamp = -5;
  record.timestamp_type = TimestampType::kLogAppendTime;
  record.value = ByteView();
  record.headers = list.view();
  RecordBuffer buffer;
  buffer.Add({}, -1);
  buffer.Add(record, 3);

  const Record kept = buffer.at(1);
  REQUIRE(kept.offset == 7);
  REQUIRE(kept.timestamp == -5);
  REQUIRE(kept.timestamp_type == TimestampType::kLogAppendTime);
  REQUIRE_FALSE(kept.key);
  REQUIRE(kept.value);
  REQUIRE(kept.value->empty());
  REQUIRE(kept.headers.size() == 2);
  REQUIRE(std::ranges::equal(kept.headers.encoded(), record.headers.encoded()));
  REQUIRE(buffer.leader_epoch(1) == 3);
}

TEST_CASE("record fetcher: an offset that is gone ends the range with its reason") {
  Scene scene;
  scene.Fill("t", 1, 5);
  RecordFetcher fetcher(scene.Open(), {});
  const RecordRange range = RangeOf("t", 0, 50, 60);

  const auto fetched = Unwrap(fetcher.FetchSmall({&range, 1}));
  REQUIRE(fetched[0].failure);
  REQUIRE(fetched[0].failure->code() == ErrorCode::kNotFound);
  REQUIRE_OK(fetcher.Begin(range));
  REQUIRE_FAILS(fetcher.Next(), ErrorCode::kNotFound, "partition 0 of topic \"t\"");
  REQUIRE(fetcher.position() == 50);
  REQUIRE(Stream(fetcher, RangeOf("t", 0, 3, 5)) == "3 4 ");
}

TEST_CASE("record fetcher: silence ends a range, and the next one of the same leader sooner") {
  Scene scene;
  scene.Fill("t", 2, 5);
  RecordFetcher fetcher(
      scene.Open(), {},
      {.silence = std::chrono::milliseconds(300), .silence_again = std::chrono::milliseconds(1)});
  REQUIRE(Stream(fetcher, RangeOf("t", 0, 0, 5)) == "0 1 2 3 4 ");
  scene.kafka.SetDown();
  REQUIRE_OK(fetcher.Begin(RangeOf("t", 1, 0, 5)));
  auto silent = fetcher.Next();
  REQUIRE_FALSE(silent);
  REQUIRE(silent.error().message().find("partition 1 of topic \"t\"") != std::string::npos);
  const std::vector<RecordRange> ranges = {RangeOf("t", 0, 0, 5), RangeOf("t", 1, 0, 5)};
  for (const auto& one : Unwrap(fetcher.FetchSmall(ranges))) {
    REQUIRE(one.failure);
    REQUIRE_FALSE(one.is_whole);
  }
  scene.kafka.SetUp();
  REQUIRE(Unwrap(fetcher.FetchSmall({ranges.data(), 1}))[0].is_whole);
}

TEST_CASE("record fetcher: a stop ends it") {
  Scene scene;
  scene.Fill("t", 1, 5);
  RecordFetcher fetcher(scene.Open(), scene.stop.get_token());
  REQUIRE_OK(fetcher.Begin(RangeOf("t", 0, 0, 100)));
  REQUIRE(Unwrap(fetcher.Next()) != nullptr);
  scene.stop.request_stop();
  Result<const Record*> next = nullptr;
  for (int i = 0; i < 5 && next; ++i) next = fetcher.Next();
  REQUIRE_FAILS(next, ErrorCode::kCancelled, "");
}

TEST_CASE("record fetcher: a reader that knows many topics is replaced") {
  Scene scene;
  RecordFetcher fetcher(scene.Open(), {});
  for (int i = 0; i < 210; ++i) {
    const std::string topic = "t" + std::to_string(i);
    scene.kafka.CreateTopic(topic, 1);
    if (i % 100 == 0 || i > 200) WriteNumbers(scene.kafka.options(), {topic, 0}, 1);
    REQUIRE_OK(fetcher.Begin(RangeOf(topic, 0, 0, 1)));
    if (i % 100 == 0 || i > 200) REQUIRE(Unwrap(fetcher.Next()) != nullptr);
    fetcher.End();
  }
  REQUIRE(scene.readers == 2);
}

}  // namespace
}  // namespace holdfast::kafka
