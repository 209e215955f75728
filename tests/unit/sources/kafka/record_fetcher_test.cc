#include "agent/sources/kafka/record_fetcher.h"

#include <algorithm>
#include <chrono>
#include <deque>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "tests/support/catch.h"
#include "tests/support/results.h"
#include "tests/unit/kafka/mock_cluster.h"

namespace holdfast::kafka {
namespace {

using holdfast::testing::Unwrap;
using rdkafka::ReadEvent;
using rdkafka::testing::CreateFilled;
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
  // A topic with `records` records in each partition.
  void Fill(const std::string& topic, int partitions, int records) {
    CreateFilled(kafka, topic, std::vector<int>(static_cast<std::size_t>(partitions), records));
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

TEST_CASE("record fetcher: a stream returns exactly the range") {
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

TEST_CASE("record fetcher: small ranges are fetched together, each in order") {
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
  // Fetched ranges can be read again as a stream.
  REQUIRE(Stream(fetcher, RangeOf("a", 0, 1, 3)) == "1 2 ");
}

TEST_CASE("record fetcher: a range that turns out to be large is left to a stream") {
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

TEST_CASE("record fetcher: large records of many partitions are not held at the same time") {
  constexpr int kPartitions = 20;
  Scene scene;
  scene.kafka.CreateTopic("t", kPartitions);
  const std::string large(RecordFetcher::kAtOnceBytesMax / 18, 'x');
  std::vector<RecordRange> ranges;
  for (int i = 0; i < kPartitions; ++i) {
    WriteAll(scene.kafka.options(), {"t", i}, {{.value = large}});
    ranges.push_back(RangeOf("t", i, 0, 1));
  }
  RecordFetcher fetcher(scene.Open(), {});

  const auto fetched = Unwrap(fetcher.FetchSmall(ranges));

  std::size_t held = 0;
  int left = 0;
  for (const auto& one : fetched) {
    held += one.records.bytes();
    if (!one.is_whole) ++left;
  }
  REQUIRE(held <= RecordFetcher::kAtOnceBytesMax);
  REQUIRE(left > 0);
  REQUIRE(left < 5);
  for (int i = 0; i < kPartitions; ++i) {
    if (fetched[static_cast<std::size_t>(i)].is_whole) continue;
    REQUIRE(Stream(fetcher, RangeOf("t", i, 0, 1)) == large + " ");
    const RecordRange alone = RangeOf("t", i, 0, 1);
    REQUIRE(Unwrap(fetcher.FetchSmall({&alone, 1}))[0].is_whole);
  }
}

TEST_CASE("record fetcher: stored records are unchanged") {
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

TEST_CASE("record fetcher: a missing offset ends the range with the reason") {
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

// Returns scripted events, and records how long it was waited for.
class ScriptedReader final : public rdkafka::Reader {
 public:
  struct Script {
    std::deque<std::vector<ReadEvent>>
        // Events for each of the next calls. An empty list means that nothing arrives.
        events;
    std::vector<std::chrono::milliseconds> waits;
    std::set<rdkafka::TopicPartition> under_way;
  };
  explicit ScriptedReader(Script& script) : script_(script) {}
  ~ScriptedReader() override { script_.under_way.clear(); }

  Result<void> Start(const rdkafka::TopicPartition& partition, std::int64_t,
                     std::uint64_t) override {
    REQUIRE(script_.under_way.insert(partition).second);
    return {};
  }
  void Stop(const rdkafka::TopicPartition& partition) override {
    script_.under_way.erase(partition);
  }
  Result<std::span<const ReadEvent>> Next(std::chrono::milliseconds limit,
                                          const std::stop_token&) override {
    REQUIRE_FALSE(script_.under_way.empty());
    script_.waits.push_back(limit);
    if (script_.events.empty() || script_.events.front().empty()) {
      if (!script_.events.empty()) script_.events.pop_front();
      return Fail(ErrorCode::kTimedOut, "received nothing for");
    }
    events_ = std::move(script_.events.front());
    script_.events.pop_front();
    return events_;
  }
  Result<std::span<const rdkafka::RecordHeader>> Headers(const ReadEvent&) override {
    return std::span<const rdkafka::RecordHeader>();
  }

 private:
  Script& script_;
  std::vector<ReadEvent> events_;
};

using std::chrono::milliseconds;
using Waits = std::vector<milliseconds>;

struct SilentScene {
  ScriptedReader::Script script;
  std::set<std::string> deleted;
  int asked = 0;

  RecordFetcher::OpenReader Open() {
    return [this] { return std::make_unique<ScriptedReader>(script); };
  }
  RecordFetcher::LookUp LookUp() {
    return [this](std::span<const std::string> topics) {
      ++asked;
      std::vector<std::optional<Error>> answers;
      for (const std::string& topic : topics)
        answers.push_back(deleted.contains(topic)
                              ? std::optional(Error(ErrorCode::kNotFound, "unknown topic"))
                              : std::nullopt);
      return answers;
    };
  }
};

constexpr RecordFetcher::Limits kLimits{
    .silence = milliseconds(60), .silence_again = milliseconds(15), .ask_after = milliseconds(5)};

RecordRange LedBy(std::int32_t leader, RecordRange range) {
  range.leader = leader;
  return range;
}

TEST_CASE("record fetcher: silence ends a range, and the next range of the same leader sooner") {
  SilentScene scene;
  RecordFetcher fetcher(scene.Open(), {}, kLimits);

  REQUIRE_OK(fetcher.Begin(LedBy(1, RangeOf("t", 1, 0, 5))));
  REQUIRE_FAILS(fetcher.Next(), ErrorCode::kTimedOut, "partition 1 of topic \"t\"");
  REQUIRE_FALSE(fetcher.is_streaming());
  REQUIRE_OK(fetcher.Begin(LedBy(1, RangeOf("t", 2, 0, 5))));
  REQUIRE_FAILS(fetcher.Next(), ErrorCode::kTimedOut, "");
  REQUIRE_OK(fetcher.Begin(LedBy(2, RangeOf("t", 3, 0, 5))));
  REQUIRE_FAILS(fetcher.Next(), ErrorCode::kTimedOut, "");
  REQUIRE(scene.script.waits == Waits{milliseconds(60), milliseconds(15), milliseconds(60)});

  scene.script.waits.clear();
  const std::vector<RecordRange> ranges = {LedBy(1, RangeOf("t", 0, 0, 5)),
                                           LedBy(2, RangeOf("t", 1, 0, 5))};
  for (const auto& one : Unwrap(fetcher.FetchSmall(ranges))) {
    REQUIRE(one.failure);
    REQUIRE_FALSE(one.is_whole);
  }
  REQUIRE(scene.script.waits == Waits{milliseconds(15)});
}

TEST_CASE("record fetcher: a leader that answers again gets the full timeout again") {
  SilentScene scene;
  RecordFetcher fetcher(scene.Open(), {}, kLimits);
  const RecordRange range = LedBy(1, RangeOf("t", 0, 0, 5));
  ReadEvent end;
  end.kind = ReadEvent::Kind::kEnd;
  end.offset = 5;
  scene.script.events = {{}, {end}, {}, {end}};

  REQUIRE_FALSE(Unwrap(fetcher.FetchSmall({&range, 1}))[0].is_whole);
  REQUIRE(Unwrap(fetcher.FetchSmall({&range, 1}))[0].is_whole);
  REQUIRE_OK(fetcher.Begin(range));
  REQUIRE_FAILS(fetcher.Next(), ErrorCode::kTimedOut, "");
  REQUIRE(Stream(fetcher, range) == "");
  REQUIRE(scene.script.waits ==
          Waits{milliseconds(60), milliseconds(15), milliseconds(60), milliseconds(15)});
}

TEST_CASE("record fetcher: a deleted topic is not waited for") {
  SilentScene scene;
  scene.deleted = {"gone"};
  RecordFetcher fetcher(scene.Open(), {}, kLimits, scene.LookUp());

  SECTION("in a stream") {
    REQUIRE_OK(fetcher.Begin(RangeOf("gone", 0, 0, 5)));
    REQUIRE_FAILS(fetcher.Next(), ErrorCode::kUnavailable, "deleted");
    REQUIRE_FALSE(fetcher.is_streaming());
    REQUIRE(scene.script.under_way.empty());
    REQUIRE_FAILS(fetcher.Begin(RangeOf("gone", 1, 0, 5)), ErrorCode::kUnavailable, "deleted");
    REQUIRE(scene.script.waits == Waits{milliseconds(5)});
    REQUIRE_OK(fetcher.Begin(RangeOf("t", 1, 0, 5)));
    REQUIRE_FAILS(fetcher.Next(), ErrorCode::kTimedOut, "");
    REQUIRE(scene.script.waits == Waits{milliseconds(5), milliseconds(5), milliseconds(55)});
    REQUIRE(scene.asked == 2);
  }
  SECTION("among small ranges") {
    ReadEvent end;
    end.kind = ReadEvent::Kind::kEnd;
    end.tag = 1;
    end.offset = 5;
    scene.script.events = {{}, {end}};
    const std::vector<RecordRange> ranges = {RangeOf("gone", 0, 0, 5), RangeOf("t", 0, 0, 5),
                                             RangeOf("gone", 1, 0, 5)};
    auto fetched = Unwrap(fetcher.FetchSmall(ranges));
    REQUIRE(fetched[0].failure);
    REQUIRE(fetched[2].failure);
    REQUIRE(fetched[1].is_whole);
    REQUIRE(scene.script.under_way.empty());
    REQUIRE(Unwrap(fetcher.FetchSmall({ranges.data(), 1}))[0].failure);
    REQUIRE(scene.script.waits == Waits{milliseconds(5), milliseconds(5)});
  }
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

TEST_CASE("record fetcher: a reader with many topics is replaced") {
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
