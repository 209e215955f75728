// Records generated from a seed, and one batch byte by byte.
#pragma once

#include <algorithm>
#include <deque>
#include <string>
#include <vector>

#include "agent/sources/kafka/record.h"
#include "tests/support/results.h"
#include "tests/support/seeded_random.h"

namespace holdfast::kafka {

// A batch of two records, byte by byte from Kafka's specification: (offset 5, time 1000, key "k",
// value "v") and (offset 7, time 998, null key, empty value, headers "h" with null and "" with
// "x"). The checksum was computed by another program.
inline constexpr std::string_view kGoldenBatch =
    "0000000000000005 00000047 00000000 02 4bcea94f 0000 00000002 00000000000003e8 "
    "00000000000003e8 ffffffffffffffff ffff ffffffff 00000002 "
    "10 00 00 00 026b 0276 00 "
    "18 00 03 04 01 00 04 0268 01 00 0278";

// From hexadecimal digits with spaces.
inline Bytes Hex(std::string_view text) {
  std::string digits(text);
  std::erase(digits, ' ');
  return testing::Unwrap(HexDecode(digits));
}

// The records of kGoldenBatch.
class GoldenRecords {
 public:
  GoldenRecords() {
    headers_.Add(AsBytes("h"), std::nullopt);
    headers_.Add({}, AsBytes("x"));
    first.offset = 5;
    first.timestamp = 1000;
    first.key = AsBytes("k");
    first.value = AsBytes("v");
    second.offset = 7;
    second.timestamp = 998;
    second.value = ByteView();
    second.headers = headers_.view();
  }
  Record first;
  Record second;

 private:
  HeaderList headers_;
};

// A text of the record that can be stored and compared.
inline std::string Text(const Record& record) {
  const auto quoted = [](const std::optional<ByteView>& bytes) {
    return bytes ? "'" + std::string(AsText(*bytes)) + "'" : "null";
  };
  std::string text = std::to_string(record.offset) + "@" + std::to_string(record.timestamp) +
                     (record.timestamp_type == TimestampType::kLogAppendTime ? "L " : " ") +
                     quoted(record.key) + "=" + quoted(record.value);
  record.headers.ForEach([&](const Header& header) {
    text += " " + quoted(header.name) + ":" + quoted(header.value);
  });
  return text;
}

// A partition in memory.
class Partition {
 public:
  struct Shape {
    std::size_t records = 1000;
    std::size_t content_max = 100;  // per record
    unsigned gaps = 0;              // percentage of records with missing offsets before them
    unsigned same_time = 0;         // percentage of log append times equal to the one before
    bool with_headers = true;
    bool log_append_time = false;
    std::int64_t first_offset = 0;
  };

  Partition(std::uint64_t seed, const Shape& shape)
      : random_(seed), content_(std::max<std::size_t>(shape.content_max, 1) + 4096) {
    random_.Fill(content_);
    std::int64_t offset = shape.first_offset;
    std::int64_t time = 1'700'000'000'000;
    for (std::size_t i = 0; i < shape.records; ++i) {
      if (Percent(shape.gaps)) offset += static_cast<std::int64_t>(1 + Below(9));
      Record record;
      record.offset = offset++;
      if (!shape.log_append_time) {
        record.timestamp = time + static_cast<std::int64_t>(Below(2000)) - 1000;
      } else {
        if (!Percent(shape.same_time)) time += 1;
        record.timestamp = time;
        record.timestamp_type = TimestampType::kLogAppendTime;
      }
      if (!Percent(20)) record.key = Content(std::min<std::size_t>(shape.content_max / 4, 40));
      if (!Percent(10)) record.value = Content(shape.content_max);
      if (shape.with_headers && Percent(10)) {
        HeaderList& headers = headers_.emplace_back();
        for (std::size_t count = Below(4); count > 0; --count) {
          headers.Add(Content(3), Percent(30) ? std::nullopt : std::optional(Content(10)));
        }
        record.headers = headers.view();
      }
      records.push_back(record);
    }
  }

  std::vector<Record> records;

 private:
  std::size_t Below(std::size_t end) { return static_cast<std::size_t>(random_.Next64() % end); }
  bool Percent(unsigned of_hundred) { return Below(100) < of_hundred; }
  ByteView Content(std::size_t max) {
    return ByteView(content_).subspan(Below(4096), Below(max + 1));
  }

  testing::SeededRandom random_;
  Bytes content_;
  std::deque<HeaderList> headers_;
};

}  // namespace holdfast::kafka
