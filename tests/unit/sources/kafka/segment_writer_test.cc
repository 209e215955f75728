#include "agent/sources/kafka/segment_writer.h"

#include <limits>
#include <set>

#include "tests/unit/sources/kafka/files.h"

namespace holdfast::kafka {
namespace {

constexpr std::int64_t kWindow = std::int64_t{1} << 31;

// All batches of all files, by first offset.
std::map<std::int64_t, Bytes> BatchesOf(const WrittenFiles& files) {
  std::map<std::int64_t, Bytes> batches;
  for (const auto& [first, file] : files) {
    for (const Bytes& batch : file.batches) {
      std::int64_t offset = 0;
      for (std::size_t i = 0; i < 8; ++i) offset = offset << 8 | batch[i];
      REQUIRE(batches.emplace(offset, batch).second);
    }
  }
  return batches;
}

// The first common key. Both end with the same key, so one exists unless either is empty.
template <typename Map>
std::int64_t FirstCommon(const Map& one, const Map& other) {
  for (const auto& [offset, value] : other)
    if (one.contains(offset)) return offset;
  return std::numeric_limits<std::int64_t>::max();
}

template <typename Map>
bool SameFrom(std::int64_t offset, const Map& one, const Map& other) {
  return std::ranges::equal(std::ranges::subrange(one.lower_bound(offset), one.end()),
                            std::ranges::subrange(other.lower_bound(offset), other.end()));
}

// Content bytes of the records before the offset.
std::size_t BytesBefore(std::span<const Record> records, std::int64_t offset) {
  std::size_t bytes = 0;
  for (const Record& record : records)
    if (record.offset < offset) bytes += record.content_bytes() + 10;
  return bytes;
}

// The offset of the first record after one for which `ends` is true.
std::int64_t NextBegin(std::span<const Record> records, auto ends) {
  for (std::size_t i = 0; i + 1 < records.size(); ++i)
    if (ends(records[i])) return records[i + 1].offset;
  return std::numeric_limits<std::int64_t>::max();
}

struct Agreement {
  std::size_t batch_bytes = 0;  // read until the first common batch
  std::size_t file_bytes = 0;   // and file
};

// Compares the files of all records with those of the records from `start` on.
Agreement CheckAgreement(std::span<const Record> records, std::size_t start, Borders borders) {
  const std::span<const Record> later = records.subspan(start);
  const WrittenFiles files = Write(Each(records), borders);
  const WrittenFiles later_files = Write(Each(later), borders);
  const auto batches = BatchesOf(files);
  const auto later_batches = BatchesOf(later_files);
  const std::int64_t batch = FirstCommon(batches, later_batches);
  const std::int64_t file = FirstCommon(files, later_files);

  // From the first common boundary on they are identical, and that comes with the first record that
  // sets one.
  REQUIRE(SameFrom(batch, batches, later_batches));
  REQUIRE(SameFrom(file, files, later_files));
  REQUIRE(batch <= NextBegin(later, [&](const Record& r) { return borders.EndsBatch(r); }));
  REQUIRE(file <= NextBegin(later, [&](const Record& r) { return borders.EndsFile(r); }));
  return {BytesBefore(later, batch), BytesBefore(later, file)};
}

std::size_t BytesOf(const WrittenFile& file) {
  std::size_t bytes = 0;
  for (const Bytes& batch : file.batches) bytes += batch.size();
  return bytes;
}

}  // namespace

TEST_CASE("segment: is named like a broker's") {
  REQUIRE(SegmentName(0) == "00000000000000000000.log");
  REQUIRE(SegmentName(42) == "00000000000000000042.log");
  REQUIRE(SegmentName(std::numeric_limits<std::int64_t>::max()) == "09223372036854775807.log");
  REQUIRE(FirstOffsetOf("00000000003000000000.log") == 3'000'000'000);
  for (const std::string_view name :
       {"", ".log", "0000000000000000042.log", "00000000000000000042.log2",
        "00000000000000000042.idx", "-0000000000000000001.log", "-0000000000000000000.log",
        "+0000000000000000001.log", "99999999999999999999.log", " 0000000000000000001.log"})
    REQUIRE_FALSE(FirstOffsetOf(name));
}

TEST_CASE("segment writer: boundaries never change") {
  // The boundaries for records of 1000 bytes come from an independent program for the rule in the
  // header. Other boundaries would change every stored file.
  const Bytes value(1000);
  Record record;
  record.value = value;
  std::vector<std::int64_t> batch_ends;
  std::vector<std::int64_t> file_ends;
  const Borders borders;
  for (record.offset = 0; record.offset < 300'000; ++record.offset) {
    if (record.offset < 600 && borders.EndsBatch(record)) batch_ends.push_back(record.offset);
    if (!borders.EndsFile(record)) continue;
    REQUIRE(borders.EndsBatch(record));
    file_ends.push_back(record.offset);
  }
  REQUIRE(batch_ends == std::vector<std::int64_t>{120, 133, 186, 196, 295, 320, 448, 472, 558});
  REQUIRE(file_ends == std::vector<std::int64_t>{40106, 178607, 188690, 204815, 275546});
}

TEST_CASE("segment writer: files contain every record once, and have their run") {
  const Partition partition(11, {.records = 2000, .gaps = 10, .first_offset = 7});
  const Borders borders{.batch_bits = 9, .file_bits = 13};
  const WrittenFiles files = Write(Each(partition.records), borders);
  REQUIRE(files.size() > 5);
  auto expected = partition.records.begin();
  for (const auto& [first, file] : files) {
    const Bytes bytes = file.bytes();
    PiecewiseReader content(bytes);
    SegmentReader reader(content, first);
    RunTally tally;
    while (const Record* record = testing::Unwrap(reader.Next())) {
      REQUIRE(Text(*record) == Text(*expected++));
      tally.Add(*record);
    }
    REQUIRE(tally.Finish() == file.run);
  }
  REQUIRE(expected == partition.records.end());
}

TEST_CASE("segment writer: readers with other starts agree from the next boundary on") {
  struct Case {
    Partition::Shape shape;
    Borders borders;
  };
  const Borders small{.batch_bits = 9, .file_bits = 13};
  const Borders tight{
      .batch_bits = 9, .file_bits = 13, .batch_bytes_max = 600, .file_bytes_max = 9000};
  const auto [shape, borders] = GENERATE_COPY(
      Case{{.content_max = 100}, small}, Case{{.content_max = 100, .gaps = 40}, small},
      Case{{.content_max = 0, .with_headers = false}, small},
      Case{{.records = 300, .content_max = 2000}, small},
      Case{{.records = 300, .content_max = 20'000}, small},
      Case{{.content_max = 100, .same_time = 97, .log_append_time = true}, small},
      Case{{.content_max = 50, .first_offset = kWindow - 500}, small},
      // Cases in which the limits decide most of the time.
      Case{{.content_max = 100}, tight}, Case{{.content_max = 1500, .gaps = 20}, tight},
      Case{{.content_max = 0}, tight});
  for (std::uint64_t seed = 1; seed <= 3; ++seed) {
    const Partition partition(seed, shape);
    testing::SeededRandom random(seed);
    for (int i = 0; i < 8; ++i) {
      CheckAgreement(partition.records,
                     1 + static_cast<std::size_t>(random.Next64() % (shape.records - 1)), borders);
    }
  }
}

TEST_CASE("segment writer: readers agree soon, whatever the size of records") {
  const std::size_t content_max =
      GENERATE(std::size_t{0}, std::size_t{30}, std::size_t{300}, std::size_t{3000});
  const Borders borders{.batch_bits = 9, .file_bits = 13};
  // Enough records to make an end without a boundary rare.
  const Partition partition(
      1, {.records = (std::size_t{60} << borders.file_bits) / (10 + content_max / 2),
          .content_max = content_max,
          .with_headers = false});
  std::size_t batch_bytes = 0;
  std::size_t file_bytes = 0;
  constexpr std::size_t kStarts = 15;
  for (std::size_t i = 1; i <= kStarts; ++i) {
    const Agreement agreement =
        CheckAgreement(partition.records, i * partition.records.size() / (2 * kStarts), borders);
    batch_bytes += agreement.batch_bytes;
    file_bytes += agreement.file_bytes;
  }
  // The first record of the next batch may be larger than the target size of a batch.
  REQUIRE(batch_bytes / kStarts < (std::size_t{2} << borders.batch_bits) + content_max);
  REQUIRE(file_bytes / kStarts < (std::size_t{2} << borders.file_bits) + content_max);
}

TEST_CASE("segment writer: batches and files have the target size, whatever the size of records") {
  const std::size_t content_max =
      GENERATE(std::size_t{0}, std::size_t{50}, std::size_t{500}, std::size_t{1500});
  const Borders borders{.batch_bits = 12, .file_bits = 15};
  const Partition partition(2, {.records = 2'000'000 / (10 + content_max / 2),
                                .content_max = content_max,
                                .with_headers = false});
  const WrittenFiles files = Write(Each(partition.records), borders);
  std::size_t batches = 0;
  std::size_t bytes = 0;
  for (const auto& [first, file] : files) {
    batches += file.batches.size();
    bytes += BytesOf(file);
  }
  INFO(batches << " batches, " << files.size() << " files, " << bytes << " bytes");
  REQUIRE(bytes / batches > 2800);
  REQUIRE(bytes / batches < 5600);
  REQUIRE(bytes / files.size() > 20'000);
  REQUIRE(bytes / files.size() < 50'000);
}

TEST_CASE("segment writer: works with sizes of real partitions, from empty to 8 MB") {
  const Partition small(21, {.records = 300, .content_max = 1000});
  const Partition medium(22, {.records = 300, .content_max = 200'000, .first_offset = 300});
  const Partition large(23,
                        {.records = 12, .content_max = 8'000'000, .gaps = 50, .first_offset = 700});
  std::vector<Record> records = small.records;
  for (const Partition* more : {&medium, &large})
    records.insert(records.end(), more->records.begin(), more->records.end());

  for (const auto& [first, file] : Write(Each(records))) {
    for (const Bytes& batch : file.batches) {
      const bool is_one_record =
          batch[57] == 0 && batch[58] == 0 && batch[59] == 0 && batch[60] == 1;
      REQUIRE((batch.size() <= 1U << 20 || is_one_record));
    }
  }
  const Agreement agreement = CheckAgreement(records, 100, {});
  REQUIRE(agreement.batch_bytes < 1'000'000);
}

TEST_CASE("segment writer: limits apply if no record ends a batch or file") {
  // Only the limits decide.
  const Borders borders{
      .batch_bits = 60, .file_bits = 60, .batch_bytes_max = 1000, .file_bytes_max = 5000};
  const Partition partition(12, {.records = 500, .content_max = 400});
  const WrittenFiles files = Write(Each(partition.records), borders);
  REQUIRE(files.size() > 10);
  std::size_t bytes = 0;
  for (const auto& [first, file] : files) {
    REQUIRE(BytesOf(file) <= 5000);
    for (const Bytes& batch : file.batches) REQUIRE(batch.size() <= 1000);
    bytes += BytesOf(file);
  }
  REQUIRE(bytes / files.size() > 3000);

  // Exceptions: a single record in a batch, and a single batch in a file.
  const Bytes content(20'000);
  std::vector<Record> records(4);
  for (std::size_t i = 0; i < records.size(); ++i) records[i].offset = static_cast<std::int64_t>(i);
  records[1].value = ByteView(content).first(1500);
  records[2].value = content;
  const WrittenFiles around = Write(Each(records), borders);
  std::vector<std::pair<std::int64_t, std::size_t>> counts;
  for (const auto& [first, file] : around) counts.emplace_back(first, file.batches.size());
  REQUIRE(counts == std::vector<std::pair<std::int64_t, std::size_t>>{{0, 2}, {2, 1}, {3, 1}});
}

TEST_CASE(
    "segment writer: each log append time is one batch, and a new timestamp type starts one") {
  std::vector<Record> records(7);
  const std::vector<std::pair<std::int64_t, bool>> times = {
      {5, true}, {5, true}, {6, true}, {6, false}, {9, false}, {9, true}, {5, true}};
  for (std::size_t i = 0; i < records.size(); ++i) {
    records[i].offset = static_cast<std::int64_t>(i);
    records[i].timestamp = times[i].first;
    if (times[i].second) records[i].timestamp_type = TimestampType::kLogAppendTime;
  }
  std::vector<std::int64_t> begins;
  for (const auto& [offset, batch] : BatchesOf(Write(Each(records)))) begins.push_back(offset);
  REQUIRE(begins == std::vector<std::int64_t>{0, 2, 3, 5, 6});
}

TEST_CASE("segment writer: a file's offsets fit in 31 bits, wherever it starts") {
  std::vector<Record> records(6);
  const std::vector<std::int64_t> offsets = {
      0, kWindow - 1, kWindow, 2 * kWindow - 1, 2 * kWindow, 100 * kWindow + 5};
  for (std::size_t i = 0; i < records.size(); ++i) records[i].offset = offsets[i];
  for (std::size_t start = 0; start < records.size(); ++start) {
    std::set<std::int64_t> begins;
    for (const auto& [first, file] : Write(Each(std::span(records).subspan(start))))
      begins.insert(first);
    std::set<std::int64_t> expected{offsets[start], kWindow, 2 * kWindow, 100 * kWindow + 5};
    std::erase_if(expected, [&](std::int64_t offset) { return offset < offsets[start]; });
    REQUIRE(begins == expected);
  }
}

TEST_CASE(
    "segment writer: continuing an earlier file gives the same result as writing everything") {
  const bool log_append_time = GENERATE(false, true);
  const Borders borders{
      .batch_bits = 8, .file_bits = 11, .batch_bytes_max = 500, .file_bytes_max = 3000};
  const Partition partition(
      13, {.records = 300, .gaps = 20, .same_time = 70, .log_append_time = log_append_time});
  const std::span<const Record> records(partition.records);
  const WrittenFiles whole = Write(Each(records), borders);
  REQUIRE(whole.size() > 10);
  for (std::size_t cut = 1; cut < records.size(); ++cut) {
    WrittenFiles files = Write(Each(records.first(cut)), borders);
    const auto& [first, open] = *files.rbegin();
    const Bytes bytes = open.bytes();
    PiecewiseReader stored(bytes, 333);
    SegmentReader reader(stored, first);
    WrittenFiles gone_on = Write(
        [&reader, rest = Each(records.subspan(cut)),
         was_read = false]() mutable -> Result<const Record*> {
          if (!was_read) {
            HF_ASSIGN(const Record* record, reader.Next());
            if (record != nullptr) return record;
            was_read = true;
          }
          return rest();
        },
        borders);
    REQUIRE(gone_on.begin()->first == first);
    for (auto& [offset, file] : gone_on) files[offset] = std::move(file);
    REQUIRE(files == whole);
  }
}

TEST_CASE("segment writer: a compaction changes only the batches from which it removes records") {
  const Borders borders{.batch_bits = 9, .file_bits = 13};
  const Partition partition(14, {.records = 3000});
  std::vector<Record> compacted = partition.records;
  const std::int64_t from = compacted[1000].offset;
  const std::int64_t to = compacted[1100].offset;
  std::erase_if(compacted, [&](const Record& record) {
    return record.offset >= from && record.offset < to && record.offset % 3 != 0;
  });
  const auto before = BatchesOf(Write(Each(partition.records), borders));
  const auto after = BatchesOf(Write(Each(compacted), borders));
  std::size_t changed_bytes = 0;
  for (const auto& [offset, batch] : after) {
    const auto it = before.find(offset);
    if (it == before.end() || it->second != batch) changed_bytes += batch.size();
  }
  const std::size_t taken_from =
      BytesBefore(partition.records, to) - BytesBefore(partition.records, from);
  REQUIRE(changed_bytes < taken_from + (8U << borders.batch_bits));
}

TEST_CASE("segment writer: errors end it") {
  const Partition partition(15, {.records = 5});
  const auto write = [](SegmentWriter::NextRecord next) -> Result<void> {
    SegmentWriter writer(std::move(next));
    for (;;) {
      HF_ASSIGN(const auto first, writer.NextFile());
      if (!first) return {};
      for (;;) {
        HF_ASSIGN(const ByteView batch, writer.NextBatch());
        if (batch.empty()) break;
      }
    }
  };
  for (const std::size_t good : {0, 1, 5}) {
    auto next = Each(std::span(partition.records).first(good));
    REQUIRE_FAILS(write([&]() -> Result<const Record*> {
                    HF_ASSIGN(const Record* record, next());
                    if (record == nullptr)
                      return Fail(ErrorCode::kUnavailable, "the broker is gone");
                    return record;
                  }),
                  ErrorCode::kUnavailable, "the broker is gone");
  }

  std::vector<Record> records(2);
  REQUIRE_FAILS(write(Each(records)), ErrorCode::kCorrupt,
                "the record at offset 0 came after that at 0");
  records[0].offset = -5;
  REQUIRE_FAILS(write(Each(records)), ErrorCode::kCorrupt, "the record at offset -5");
  records[0].offset = 3;
  records[1].offset = 4;
  const std::uint8_t byte = 0;  // no other bytes are read
  records[1].value = ByteView(&byte, std::size_t{1} << 31);
  REQUIRE_FAILS(write(Each(records)), ErrorCode::kUnsupported,
                "the record at offset 4 is too large for a Kafka file: 2.00 GiB");
}

TEST_CASE("segment writer: requests no record after the last one") {
  int asked = 0;
  const WrittenFiles files = Write([&asked]() -> Result<const Record*> {
    ++asked;
    return nullptr;
  });
  REQUIRE(files.empty());
  REQUIRE(asked == 1);
}

}  // namespace holdfast::kafka
