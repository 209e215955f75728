#include "agent/sources/kafka/record_batch.h"

#include <limits>

#include "agent/sources/kafka/crc32c.h"
#include "tests/unit/sources/kafka/records.h"

namespace holdfast::kafka {
namespace {

constexpr std::int64_t kInt64Max = std::numeric_limits<std::int64_t>::max();
constexpr std::int64_t kInt64Min = std::numeric_limits<std::int64_t>::min();

Bytes Golden() { return Hex(kGoldenBatch); }

Bytes BatchOf(std::span<const Record> records) {
  BatchEncoder encoder;
  for (const Record& record : records) REQUIRE(encoder.Add(record));
  const std::size_t bytes = encoder.bytes();
  const ByteView batch = encoder.Finish();
  REQUIRE(batch.size() == bytes);
  return Bytes(batch.begin(), batch.end());
}

Result<std::vector<std::string>> Decode(ByteView batch, std::uint64_t at = 0) {
  HF_ASSIGN(BatchDecoder decoder, BatchDecoder::Open(batch, at));
  std::vector<std::string> texts;
  for (;;) {
    HF_ASSIGN(const Record* record, decoder.Next());
    if (record == nullptr) return texts;
    texts.push_back(Text(*record));
  }
}

// Fixes length and checksum of a modified batch.
Bytes Sealed(Bytes batch) {
  const auto store = [&](std::size_t at, std::size_t value) {
    for (std::size_t i = 0; i < 4; ++i)
      batch[at + i] = static_cast<std::uint8_t>(value >> (24 - 8 * i));
  };
  store(8, batch.size() - 12);
  store(17, Crc32c(ByteView(batch).subspan(21)));
  return batch;
}

Bytes GoldenWith(std::size_t at, const Bytes& bytes) {
  Bytes batch = Golden();
  std::ranges::copy(bytes, batch.begin() + static_cast<std::ptrdiff_t>(at));
  return Sealed(batch);
}

Record At(std::int64_t offset, std::int64_t timestamp,
          TimestampType type = TimestampType::kCreateTime) {
  Record record;
  record.offset = offset;
  record.timestamp = timestamp;
  record.timestamp_type = type;
  return record;
}

}  // namespace

TEST_CASE("record batch: matches Kafka's specification, byte by byte") {
  const GoldenRecords golden;
  REQUIRE(BatchOf(std::array{golden.first, golden.second}) == Golden());

  REQUIRE(testing::Unwrap(Decode(Golden())) ==
          std::vector<std::string>{"5@1000 'k'='v'", "7@998 null='' 'h':null '':'x'"});
}

TEST_CASE("record batch: re-encoding a broker's records gives its bytes") {
  // Three records in the log file of Kafka 4.1.1, sent by its console producer without idempotence.
  const Bytes theirs =
      Hex("0000000000000000 0000005c 00000000 02 837f867c 0000 00000002 000001a203609e66 "
          "000001a203609e6f ffffffffffffffff ffff ffffffff 00000003 "
          "14 00 00 00 04 6b31 04 7631 00 "
          "14 00 10 02 04 6b32 04 7632 00 "
          "28 00 12 04 04 6b33 18 6c6f6e6765722076616c7565 00");
  REQUIRE(testing::Unwrap(Decode(theirs)) ==
          std::vector<std::string>{"0@1795352993382 'k1'='v1'", "1@1795352993390 'k2'='v2'",
                                   "2@1795352993391 'k3'='longer value'"});
  auto decoder = testing::Unwrap(BatchDecoder::Open(theirs, 0));
  BatchEncoder encoder;
  while (const Record* record = testing::Unwrap(decoder.Next())) REQUIRE(encoder.Add(*record));
  REQUIRE(std::ranges::equal(encoder.Finish(), theirs));
}

TEST_CASE("record batch: the broker's timestamp is in the header, once") {
  Record record = At(0, 1'700'000'000'000, TimestampType::kLogAppendTime);
  record.value = AsBytes("a");
  const Bytes batch = BatchOf(std::array{record});

  REQUIRE(batch ==
          Hex("0000000000000000 00000039 00000000 02 e5c243b3 0008 00000000 0000018bcfe56800 "
              "0000018bcfe56800 ffffffffffffffff ffff ffffffff 00000001 0e 00 00 00 01 0261 00"));
  REQUIRE(testing::Unwrap(Decode(batch)) == std::vector<std::string>{"0@1700000000000L null='a'"});
}

TEST_CASE("record batch: an empty batch has only an offset") {
  REQUIRE(EmptyBatch(4711) ==
          Hex("0000000000001267 00000031 00000000 02 3830a8fa 0000 00000000 ffffffffffffffff "
              "ffffffffffffffff ffffffffffffffff ffff ffffffff 00000000"));
}

TEST_CASE("record batch: every timestamp survives after any other") {
  const std::vector<std::int64_t> times = {
      0, -1, 1, kInt64Max, kInt64Min, -31'536'000'000, 253'402'300'799'000, kInt64Min + 1};
  for (const std::int64_t first : times) {
    std::vector<Record> records{At(10, first)};
    for (const std::int64_t time : times) records.push_back(At(records.back().offset + 1, time));
    std::vector<std::string> expected;
    for (const Record& record : records) expected.push_back(Text(record));
    REQUIRE(testing::Unwrap(Decode(BatchOf(records))) == expected);
  }
}

TEST_CASE("record batch: random records survive, and are re-encoded to the same bytes") {
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    const Partition partition(seed, {.records = 1 + seed,
                                     .content_max = 10 * seed * seed,
                                     .gaps = static_cast<unsigned>(seed),
                                     .first_offset = kInt64Max - 100'000});
    const Bytes batch = BatchOf(partition.records);
    auto decoder = testing::Unwrap(BatchDecoder::Open(batch, 0));
    BatchEncoder again;
    for (const Record& expected : partition.records) {
      const Record* record = testing::Unwrap(decoder.Next());
      REQUIRE(record != nullptr);
      REQUIRE(Text(*record) == Text(expected));
      REQUIRE(again.Add(*record));
    }
    REQUIRE(testing::Unwrap(decoder.Next()) == nullptr);
    REQUIRE(AsText(again.Finish()) == AsText(batch));
  }
}

TEST_CASE("record batch: records that do not fit in one batch are not added") {
  BatchEncoder encoder;
  REQUIRE(encoder.Add(At(5, 100)));
  const std::size_t bytes = encoder.bytes();
  REQUIRE_FALSE(encoder.Add(At(5, 100)));
  REQUIRE_FALSE(encoder.Add(At(4, 100)));
  REQUIRE_FALSE(encoder.Add(At(6, 100, TimestampType::kLogAppendTime)));
  REQUIRE_FALSE(encoder.Add(At(5 + (std::int64_t{1} << 31), 100)));
  REQUIRE_FALSE(encoder.Add(At(6, 100), bytes + 6));
  REQUIRE(encoder.bytes() == bytes);
  REQUIRE(encoder.Add(At(6, 100), bytes + 7));
  REQUIRE(encoder.bytes() == bytes + 7);
  REQUIRE(encoder.Add(At(5 + (std::int64_t{1} << 31) - 1, 100)));
  encoder.Finish();
  REQUIRE(encoder.empty());

  REQUIRE(encoder.Add(At(5, 100, TimestampType::kLogAppendTime)));
  REQUIRE_FALSE(encoder.Add(At(6, 101, TimestampType::kLogAppendTime)));
  REQUIRE(encoder.Add(At(6, 100, TimestampType::kLogAppendTime)));
  encoder.Finish();

  Record huge = At(0, 0);
  const std::uint8_t byte = 0;
  huge.value = ByteView(&byte, std::size_t{1} << 31);
  REQUIRE(BatchEncoder::BytesAlone(huge) > kBatchBytesMax);
  REQUIRE_FALSE(encoder.Add(huge));
  REQUIRE(encoder.empty());
}

TEST_CASE("record batch: BytesAlone() is the size of a batch with one record") {
  const Partition partition(9, {.records = 200, .content_max = 10'000});
  for (const Record& record : partition.records)
    REQUIRE(BatchOf(std::array{record}).size() == BatchEncoder::BytesAlone(record));
}

TEST_CASE("record batch: any flipped bit is detected, except in the base offset") {
  const Bytes golden = Golden();
  for (std::size_t bit = 0; bit < 8 * golden.size(); ++bit) {
    Bytes batch = golden;
    batch[bit / 8] = static_cast<std::uint8_t>(batch[bit / 8] ^ 1U << bit % 8);
    INFO("bit " << bit % 8 << " of byte " << bit / 8);
    // The checksum does not include the base offset. The reader of a file checks it.
    if (bit / 8 < 8) continue;
    const auto bytes = BatchDecoder::BatchBytes(ByteView(batch).first(kBatchHeaderBytes), 0);
    if (bytes && *bytes != batch.size()) continue;  // the reader detects this as well
    const auto decoded = Decode(batch);
    REQUIRE_FALSE(decoded.has_value());
    REQUIRE((decoded.error().code() == ErrorCode::kCorrupt ||
             decoded.error().code() == ErrorCode::kUnsupported));
  }
}

TEST_CASE("record batch: formats that a backup never writes are unsupported") {
  const auto fails = [](const Bytes& batch, std::string_view part) {
    REQUIRE_FAILS(Decode(batch, 150), ErrorCode::kUnsupported,
                  "the batch at byte 150 " + std::string(part));
    REQUIRE_FAILS(Decode(batch, 150), ErrorCode::kUnsupported, "hint: only files of a backup");
  };
  fails(GoldenWith(16, {1}), "has version 1 of the format");
  fails(GoldenWith(16, {3}), "has version 3 of the format");
  for (std::uint8_t codec = 1; codec < 8; ++codec) fails(GoldenWith(22, {codec}), "is compressed");
  fails(GoldenWith(22, {0x10}), "belongs to a transaction");
  fails(GoldenWith(22, {0x20}), "holds control records");
  fails(GoldenWith(22, {0x40}), "has the attributes 0x40");
  fails(GoldenWith(21, {0x80}), "has the attributes 0x8000");
  fails(GoldenWith(12, {0, 0, 0, 7}), "is of the leader epoch 7");
  fails(GoldenWith(12, {255, 255, 255, 255}), "is of the leader epoch -1");
  fails(GoldenWith(43, Bytes(8)), "names its producer");
  fails(GoldenWith(51, Bytes(2)), "names its producer");
  fails(GoldenWith(53, Bytes(4)), "names its producer");
  fails(GoldenWith(22, {8, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 1}),
        "has the producer's timestamps next to the broker's");
}

TEST_CASE("record batch: malformed batches are corrupt, with their position") {
  const auto fails = [](const Bytes& batch, std::string_view part) {
    REQUIRE_FAILS(Decode(batch, 1000), ErrorCode::kCorrupt,
                  "the batch at byte 1000 is damaged: " + std::string(part));
  };
  const auto header = [](const Bytes& length) {
    Bytes batch = Golden();
    std::ranges::copy(length, batch.begin() + 8);
    batch.resize(kBatchHeaderBytes);
    return BatchDecoder::BatchBytes(batch, 1000);
  };
  REQUIRE_FAILS(header({0, 0, 0, 48}), ErrorCode::kCorrupt, "its length is 48");
  REQUIRE_FAILS(header({255, 255, 255, 255}), ErrorCode::kCorrupt, "its length is -1");
  REQUIRE_FAILS(header({127, 255, 255, 244}), ErrorCode::kCorrupt, "its length is 2147483636");
  REQUIRE(testing::Unwrap(header({127, 255, 255, 243})) == kBatchBytesMax);

  Bytes unsealed = GoldenWith(17, {});
  unsealed[17] ^= 1;
  fails(unsealed, "its checksum is wrong");
  fails(GoldenWith(57, {0, 0, 0, 0}), "it has 0 records");
  fails(GoldenWith(57, {255, 255, 255, 255}), "it has -1 records");
  fails(GoldenWith(57, {0, 0, 0, 4}), "4 records do not fit between 5 and 2 offsets later");
  fails(GoldenWith(23, {255, 255, 255, 255}), "2 records do not fit between 5 and -1");
  fails(GoldenWith(0, {255}), "2 records do not fit between -7205");
  fails(GoldenWith(0, Bytes{127, 255, 255, 255, 255, 255, 255, 254}),
        "2 records do not fit between 9223");
  fails(GoldenWith(57, {0, 0, 0, 1}), "a record's offset is 0, at byte 1065");
  fails(GoldenWith(57, {0, 0, 0, 3}), "a record's offset is 2");
  fails(GoldenWith(35, Bytes(8)), "its highest timestamp is wrong, at byte 1083");

  fails(GoldenWith(61, {0x12}), "a record's length is not that of its fields");
  fails(GoldenWith(61, {0x7e}), "it ends within a record, at byte 1062");
  fails(GoldenWith(61, {0x11}), "a record's length is -9");
  fails(GoldenWith(61, {0x80, 0x00}), "a record's length is not a number");
  fails(GoldenWith(62, {1}), "a record's attributes are not 0");
  fails(GoldenWith(63, {2}), "a record's timestamp is 1");
  fails(GoldenWith(64, {2}), "a record's offset is 1");
  fails(GoldenWith(65, {3}), "a record's key is -2");
  fails(GoldenWith(65, {0x7e}), "it ends within a record's key");
  fails(GoldenWith(67, {0x7e}), "it ends within a record's value");
  fails(GoldenWith(73, {2}), "a record's offset is 1");
  fails(GoldenWith(76, {1}), "a record's number of headers is -1");
  fails(GoldenWith(76, {2}), "a record's length is not that of its fields");
  fails(GoldenWith(76, {6}), "it ends within a record's header's name");
  fails(GoldenWith(77, {1}), "a record's header has no name");
  fails(GoldenWith(81, {4}), "it ends within a record's header's value");
  Bytes longer = Golden();
  longer.push_back(0);
  fails(Sealed(longer), "bytes follow its last record, at byte 1083");
}

TEST_CASE("record batch: false counts and sizes allocate nothing") {
  const Bytes headers =
      Hex("0000000000000000 00000000 00000000 02 00000000 0000 00000000 0000000000000000 "
          "0000000000000000 ffffffffffffffff ffff ffffffff 00000001 14 00 00 00 01 01 feffffff0f");
  REQUIRE_FAILS(Decode(Sealed(headers)), ErrorCode::kCorrupt,
                "ends within a record's header's name");
  REQUIRE_FAILS(Decode(GoldenWith(57, {127, 255, 255, 255})), ErrorCode::kCorrupt,
                "records do not fit between");
  Bytes spread = GoldenWith(57, {127, 255, 255, 255});
  std::ranges::copy(Bytes{127, 255, 255, 254}, spread.begin() + 23);
  REQUIRE_FAILS(Decode(Sealed(spread)), ErrorCode::kCorrupt, "a record's offset is 2");
}

TEST_CASE("varint: every length is encoded, in the shortest form") {
  for (unsigned bits = 0; bits < 64; ++bits) {
    for (const std::int64_t value : {static_cast<std::int64_t>(std::uint64_t{1} << bits),
                                     static_cast<std::int64_t>((std::uint64_t{1} << bits) - 1)}) {
      for (const std::int64_t number : {value, ~value}) {
        std::array<std::uint8_t, kVarintBytesMax> room;
        const ByteView bytes(room.data(), PutVarint(room.data(), number));
        REQUIRE(bytes.size() == VarintBytes(number));
        std::int64_t read = 0;
        for (std::size_t size = 0; size < bytes.size(); ++size) {
          ByteView torn = bytes.first(size);
          REQUIRE(TakeVarint(torn, read) == VarintRead::kTorn);
        }
        ByteView rest = bytes;
        REQUIRE(TakeVarint(rest, read) == VarintRead::kDone);
        REQUIRE(rest.empty());
        REQUIRE(read == number);
      }
    }
  }
  std::int64_t value = 0;
  for (const Bytes& bytes :
       {Bytes{0x80, 0x00}, Bytes{0xff, 0x80, 0x00}, Bytes(20, 0xff), Bytes(20, 0x80),
        Bytes{255, 255, 255, 255, 255, 255, 255, 255, 255, 2}}) {
    ByteView rest = bytes;
    REQUIRE(TakeVarint(rest, value) == VarintRead::kTooLong);
  }
}

}  // namespace holdfast::kafka
