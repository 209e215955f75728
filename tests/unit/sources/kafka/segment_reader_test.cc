#include "agent/sources/kafka/segment_reader.h"

#include "common/base/format.h"
#include "tests/unit/sources/kafka/files.h"

namespace holdfast::kafka {
namespace {

// One file with many small batches.
constexpr Borders kSmallBatches{.batch_bits = 7, .file_bits = 60};

std::pair<std::int64_t, Bytes> OneFile(const Partition& partition, Borders borders) {
  const WrittenFiles files = Write(Each(partition.records), borders);
  REQUIRE(files.size() == 1);
  return {files.begin()->first, files.begin()->second.bytes()};
}

Result<RecordRun> Run(ByteView bytes, std::int64_t first_offset) {
  PiecewiseReader file(bytes);
  SegmentReader reader(file, first_offset);
  RunTally tally;
  for (;;) {
    HF_ASSIGN(const Record* record, reader.Next());
    if (record == nullptr) return tally.Finish();
    tally.Add(*record);
  }
}

}  // namespace

TEST_CASE("segment reader: returns the records in order, however the bytes are split") {
  const std::size_t piece = GENERATE(std::size_t{1}, std::size_t{7}, std::size_t{1000}, SIZE_MAX);
  const Partition partition(5, {.records = 200, .gaps = 20, .first_offset = 42});
  const auto [first, bytes] = OneFile(partition, kSmallBatches);
  PiecewiseReader file(bytes, piece);
  std::vector<std::string> expected;
  for (const Record& record : partition.records) expected.push_back(Text(record));

  REQUIRE(testing::Unwrap(ReadTexts(file, first)) == expected);
}

TEST_CASE("segment reader: an empty file has no records") {
  PiecewiseReader file({});
  SegmentReader reader(file, 0);
  REQUIRE(testing::Unwrap(reader.Next()) == nullptr);
  REQUIRE(testing::Unwrap(reader.Next()) == nullptr);
}

TEST_CASE("segment reader: a file truncated anywhere is corrupt, except between batches") {
  const Partition partition(6, {.records = 20, .content_max = 40});
  const WrittenFiles files = Write(Each(partition.records), kSmallBatches);
  const auto& [first, written] = *files.begin();
  REQUIRE(written.batches.size() > 3);
  const Bytes bytes = written.bytes();
  std::vector<std::size_t> ends{0};
  for (const Bytes& batch : written.batches) ends.push_back(ends.back() + batch.size());

  for (std::size_t size = 0; size < bytes.size(); ++size) {
    INFO(size);
    const auto run = Run(ByteView(bytes).first(size), first);
    if (std::ranges::find(ends, size) == ends.end()) {
      REQUIRE_FAILS(run, ErrorCode::kCorrupt, fmt::format("the file ends at byte {}", size));
    } else {
      REQUIRE(testing::Unwrap(run) != written.run);
    }
  }
}

TEST_CASE("segment reader: a flipped bit is an error or gives another digest") {
  const Partition partition(7, {.records = 12, .content_max = 30, .gaps = 50});
  const auto [first, bytes] = OneFile(partition, kSmallBatches);
  const RecordRun right = testing::Unwrap(Run(bytes, first));
  std::size_t read = 0;
  for (std::size_t bit = 0; bit < 8 * bytes.size(); ++bit) {
    Bytes spoiled = bytes;
    spoiled[bit / 8] = static_cast<std::uint8_t>(spoiled[bit / 8] ^ 1U << bit % 8);
    INFO("bit " << bit % 8 << " of byte " << bit / 8);
    const auto run = Run(spoiled, first);
    if (run) {
      REQUIRE(*run != right);
      ++read;
    } else {
      REQUIRE((run.error().code() == ErrorCode::kCorrupt ||
               run.error().code() == ErrorCode::kUnsupported));
    }
  }
  REQUIRE(read > 0);  // a batch that moved into a gap
}

TEST_CASE("segment reader: records at unexpected offsets are refused") {
  const Partition partition(8, {.records = 100, .first_offset = 1000});
  const WrittenFiles files = Write(Each(partition.records), kSmallBatches);
  const WrittenFile& written = files.begin()->second;
  REQUIRE_FAILS(Run(written.bytes(), 999), ErrorCode::kCorrupt,
                "the file begins with the record at offset 1000, but its name says 999");

  WrittenFile twice = written;
  twice.batches.insert(twice.batches.begin(), twice.batches.front());
  REQUIRE_FAILS(
      Run(twice.bytes(), 1000), ErrorCode::kCorrupt,
      fmt::format("the batch at byte {} is damaged: the record at offset 1000 comes after",
                  written.batches[0].size()));
}

TEST_CASE("segment reader: errors of the file are passed on") {
  const Partition partition(9, {.records = 3});
  const auto [first, bytes] = OneFile(partition, kSmallBatches);
  for (const std::size_t size : {std::size_t{0}, std::size_t{30}, bytes.size() - 1, bytes.size()}) {
    PiecewiseReader file(ByteView(bytes).first(size), 11);
    file.FailAtEnd();
    REQUIRE_FAILS(ReadTexts(file, first), ErrorCode::kUnavailable, "the disk is gone");
  }
}

TEST_CASE("segment reader: a false batch length does not allocate memory") {
  Bytes bytes = Hex(kGoldenBatch);
  bytes[8] = 0x7f;  // claims 2 GiB
  PiecewiseReader file(bytes);
  REQUIRE_FAILS(ReadTexts(file, 5), ErrorCode::kCorrupt, "the file ends at byte 83, within");
  REQUIRE(file.most_asked() <= 64U << 10);
}

TEST_CASE("segment reader: a batch of many megabytes is read completely") {
  const Bytes value(5'000'001, 'x');
  std::vector<Record> records(3);
  records[1].offset = 1;
  records[1].value = value;
  records[2].offset = 2;
  const WrittenFiles files = Write(Each(records));
  const Bytes bytes = files.begin()->second.bytes();
  PiecewiseReader file(bytes, 100'000);
  REQUIRE(testing::Unwrap(ReadTexts(file, 0)).at(1).size() > value.size());
}

}  // namespace holdfast::kafka
