#include "agent/sources/kafka/segment_writer.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "common/base/format.h"

namespace holdfast::kafka {
namespace {

constexpr unsigned kFileOffsetBits = 31;
// Approximate overhead of a record: the exact one depends on where the batch began; borders must
// not.
constexpr std::size_t kRecordOverhead = 10;

// Distributes offsets uniformly (the finalizer of splitmix64).
std::uint64_t HashOf(std::int64_t offset) {
  auto hash = static_cast<std::uint64_t>(offset) + 0x9e3779b97f4a7c15U;
  hash = (hash ^ (hash >> 30)) * 0xbf58476d1ce4e5b9U;
  hash = (hash ^ (hash >> 27)) * 0x94d049bb133111ebU;
  return hash ^ (hash >> 31);
}

// True for one record in 2^bits / size.
bool EndsAt(const Record& record, unsigned bits) {
  return HashOf(record.offset) >> (64 - bits) < record.content_bytes() + kRecordOverhead;
}

}  // namespace

bool Borders::EndsBatch(const Record& record) const { return EndsAt(record, batch_bits); }
bool Borders::EndsFile(const Record& record) const { return EndsAt(record, file_bits); }

std::string SegmentName(std::int64_t first_offset) {
  HF_CHECK(first_offset >= 0);
  return fmt::format("{:020}.log", first_offset);
}

std::optional<std::int64_t> FirstOffsetOf(std::string_view name) {
  std::int64_t offset = -1;
  std::from_chars(name.data(), name.data() + name.size(), offset);
  if (offset < 0 || SegmentName(offset) != name) return std::nullopt;
  return offset;
}

SegmentWriter::SegmentWriter(NextRecord next, Borders borders)
    : next_(std::move(next)), borders_(borders) {
  HF_CHECK(borders.batch_bits >= 1 && borders.file_bits >= borders.batch_bits);
}

Result<const Record*> SegmentWriter::Peek() {
  if (record_ != nullptr || at_end_) return record_;
  HF_ASSIGN(record_, next_());
  at_end_ = record_ == nullptr;
  if (!at_end_ && record_->offset <= last_offset_)
    return Fail(ErrorCode::kCorrupt, fmt::format("the record at offset {} came after that at {}",
                                                 record_->offset, last_offset_));
  return record_;
}

Result<std::optional<std::int64_t>> SegmentWriter::NextFile() {
  HF_CHECK(!in_file_);
  HF_ASSIGN(const Record* record, Peek());
  if (record == nullptr) return std::nullopt;
  in_file_ = true;
  file_is_full_ = false;
  file_bytes_ = 0;
  file_first_offset_ = record->offset;
  return file_first_offset_;
}

bool SegmentWriter::FitsFile(const Record& record) const {
  if (record.offset >> kFileOffsetBits != file_first_offset_ >> kFileOffsetBits) return false;
  // Checked only at the start of a batch, so that the file limit does not move batch borders.
  if (!encoder_.empty() || file_bytes_ == 0) return true;
  const std::size_t batch_bytes =
      std::max(borders_.batch_bytes_max, BatchEncoder::BytesAlone(record));
  return file_bytes_ + batch_bytes <= borders_.file_bytes_max;
}

Result<ByteView> SegmentWriter::NextBatch() {
  HF_CHECK(in_file_);
  for (bool batch_is_full = false; !batch_is_full && !file_is_full_;) {
    HF_ASSIGN(const Record* record, Peek());
    if (record == nullptr || !FitsFile(*record)) {
      file_is_full_ = true;
    } else if (encoder_.Add(*record, borders_.batch_bytes_max) ||
               (encoder_.empty() && encoder_.Add(*record))) {
      tally_.Add(*record);
      last_offset_ = record->offset;
      batch_is_full = borders_.EndsBatch(*record);
      file_is_full_ = borders_.EndsFile(*record);
      record_ = nullptr;
    } else if (encoder_.empty()) {
      return Fail(ErrorCode::kUnsupported,
                  fmt::format("the record at offset {} is too large for a Kafka file: {}",
                              record->offset, FormatBytes(record->content_bytes())));
    } else {
      batch_is_full = true;
    }
  }
  if (encoder_.empty()) {
    in_file_ = false;
    run_ = tally_.Finish();
    return ByteView();
  }
  const ByteView batch = encoder_.Finish();
  file_bytes_ += batch.size();
  return batch;
}

}  // namespace holdfast::kafka
