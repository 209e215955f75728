// Files of Kafka's format in memory, written and read.
#pragma once

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "agent/sources/kafka/segment_reader.h"
#include "agent/sources/kafka/segment_writer.h"
#include "tests/unit/sources/kafka/records.h"

namespace holdfast::kafka {

// Returns bytes in pieces, like a network.
class PiecewiseReader final : public ByteReader {
 public:
  explicit PiecewiseReader(ByteView bytes, std::size_t piece = SIZE_MAX)
      : left_(bytes), piece_(piece) {}
  Result<std::size_t> Read(std::span<std::uint8_t> buffer) override {
    most_asked_ = std::max(most_asked_, buffer.size());
    if (fails_at_end_ && left_.empty()) return Fail(ErrorCode::kUnavailable, "the disk is gone");
    const std::size_t count = std::min({buffer.size(), left_.size(), piece_});
    std::copy_n(left_.begin(), count, buffer.begin());
    left_ = left_.subspan(count);
    return count;
  }
  void FailAtEnd() { fails_at_end_ = true; }
  std::size_t most_asked() const { return most_asked_; }

 private:
  ByteView left_;
  std::size_t piece_;
  bool fails_at_end_ = false;
  std::size_t most_asked_ = 0;
};

// Returns the records one by one. They must outlive the function.
inline SegmentWriter::NextRecord Each(std::span<const Record> records) {
  return [records, at = std::size_t{0}]() mutable -> Result<const Record*> {
    return at == records.size() ? nullptr : &records[at++];
  };
}

struct WrittenFile {
  std::vector<Bytes> batches;
  RecordRun run;

  Bytes bytes() const {
    Bytes all;
    for (const Bytes& batch : batches) all.insert(all.end(), batch.begin(), batch.end());
    return all;
  }
  bool operator==(const WrittenFile&) const = default;
};
using WrittenFiles = std::map<std::int64_t, WrittenFile>;  // by their first offset

inline WrittenFiles Write(SegmentWriter::NextRecord next, Borders borders = {}) {
  SegmentWriter writer(std::move(next), borders);
  WrittenFiles files;
  while (const auto first = testing::Unwrap(writer.NextFile())) {
    WrittenFile& file = files[*first];
    ByteView last;
    for (;;) {
      const ByteView batch = testing::Unwrap(writer.NextBatch());
      if (batch.empty()) break;
      file.batches.emplace_back(batch.begin(), batch.end());
      last = batch;
    }
    REQUIRE(std::ranges::equal(last, file.batches.back()));  // still valid at the end
    file.run = writer.run();
  }
  return files;
}

// All records of a file as texts, or the first error.
inline Result<std::vector<std::string>> ReadTexts(ByteReader& file, std::int64_t first_offset) {
  std::vector<std::string> texts;
  SegmentReader reader(file, first_offset);
  for (;;) {
    HF_ASSIGN(const Record* record, reader.Next());
    if (record == nullptr) return texts;
    texts.push_back(Text(*record));
  }
}

}  // namespace holdfast::kafka
