#include "agent/sources/kafka/record_run.h"

#include "tests/unit/sources/kafka/records.h"

namespace holdfast::kafka {
namespace {

RecordRun RunOf(std::span<const Record> records) {
  RunTally tally;
  for (const Record& record : records) tally.Add(record);
  return tally.Finish();
}

}  // namespace

TEST_CASE("record run: counts, bounds, gaps and the specified digest") {
  const GoldenRecords golden;
  const RecordRun run = RunOf(std::array{golden.first, golden.second});

  REQUIRE(run.records == 2);
  REQUIRE(run.content_bytes == 8);
  REQUIRE(run.first_offset == 5);
  REQUIRE(run.last_offset == 7);
  REQUIRE(run.min_timestamp == 998);
  REQUIRE(run.max_timestamp == 1000);
  REQUIRE(run.gaps == 1);
  // Computed with Debian's xxhsum -H2, from the description in the header.
  REQUIRE(HexEncode(run.digest) == "6ae375ee7365d4df7ed81acba831187c");
  REQUIRE(RunOf({}) == RecordRun{});
}

TEST_CASE("record run: the digest depends on every field of a record") {
  const GoldenRecords golden;
  HeaderList other;
  other.Add(AsBytes("h"), ByteView());
  other.Add({}, AsBytes("x"));
  const auto digest_with = [&](auto change) {
    std::array records{golden.first, golden.second};
    change(records[1]);
    return RunOf(records).digest;
  };
  const RunDigest before = digest_with([](Record&) {});

  REQUIRE(digest_with([](Record& record) { record.offset = 8; }) != before);
  REQUIRE(digest_with([](Record& record) { record.timestamp = 999; }) != before);
  REQUIRE(digest_with([](Record& record) {
            record.timestamp_type = TimestampType::kLogAppendTime;
          }) != before);
  REQUIRE(digest_with([](Record& record) { record.key = ByteView(); }) != before);
  REQUIRE(digest_with([](Record& record) { record.value = std::nullopt; }) != before);
  REQUIRE(digest_with([](Record& record) { record.headers = {}; }) != before);
  REQUIRE(digest_with([&](Record& record) { record.headers = other.view(); }) != before);
  REQUIRE(digest_with([](Record& record) { std::swap(record.key, record.value); }) != before);
}

TEST_CASE("record run: one tally can count several runs, with records of any size") {
  const Partition partition(3, {.records = 50, .content_max = 20'000});
  const std::span<const Record> records(partition.records);
  RunTally tally;
  for (const Record& record : records.first(20)) tally.Add(record);
  REQUIRE(tally.Finish() == RunOf(records.first(20)));
  for (const Record& record : records.subspan(20)) tally.Add(record);
  REQUIRE(tally.Finish() == RunOf(records.subspan(20)));
  REQUIRE(tally.Finish() == RecordRun{});
}

TEST_CASE("record run: runs are joined without their records") {
  const Partition partition(4, {.records = 300, .gaps = 30});
  const std::span<const Record> records(partition.records);
  const RecordRun whole = RunOf(records);
  for (const std::size_t cut : {0, 1, 77, 150, 299, 300}) {
    RecordRun joined = RunOf(records.first(cut));
    const RecordRun second = RunOf(records.subspan(cut));
    const RecordRun first = joined;
    joined.Append(second);
    REQUIRE(joined.records == whole.records);
    REQUIRE(joined.content_bytes == whole.content_bytes);
    REQUIRE(joined.first_offset == whole.first_offset);
    REQUIRE(joined.last_offset == whole.last_offset);
    REQUIRE(joined.min_timestamp == whole.min_timestamp);
    REQUIRE(joined.max_timestamp == whole.max_timestamp);
    REQUIRE(joined.gaps == whole.gaps);
    if (cut == 0 || cut == 300) {
      REQUIRE(joined == whole);
    } else {
      REQUIRE(joined.digest != first.digest);
      REQUIRE(joined.digest != second.digest);
      REQUIRE(joined.digest != whole.digest);
      RecordRun again = RunOf(records.first(cut));
      again.Append(second);
      REQUIRE(joined == again);
    }
  }
}

}  // namespace holdfast::kafka
