#include "agent/sources/kafka/segment_reader.h"

#include <algorithm>

#include "common/base/format.h"

namespace holdfast::kafka {
namespace {

constexpr std::size_t kReadBytesMin = 64U << 10;

}  // namespace

Result<void> SegmentReader::ReadTo(std::size_t bytes) {
  while (batch_.size() < bytes) {
    // Grow by at most a factor of two, so that a false length does not allocate memory.
    const std::size_t before = batch_.size();
    const std::size_t step = std::min(bytes - before, std::max(kReadBytesMin, before));
    auto read = file_.Read(batch_.Extend(step));
    batch_.Shrink(before + read.value_or(0));
    if (!read) return Fail(std::move(read).error());
    if (*read == 0) break;
  }
  return {};
}

Result<bool> SegmentReader::NextBatch() {
  batch_at_ += batch_.size();
  batch_.Clear();
  HF_TRY(ReadTo(kBatchHeaderBytes));
  if (batch_.empty()) return false;
  std::size_t bytes = kBatchHeaderBytes;
  if (batch_.size() == kBatchHeaderBytes) {
    HF_ASSIGN(bytes, BatchDecoder::BatchBytes(batch_.view(), batch_at_));
    HF_TRY(ReadTo(bytes));
  }
  if (batch_.size() < bytes)
    return Fail(ErrorCode::kCorrupt,
                fmt::format("the file ends at byte {}, within the batch at byte {}",
                            batch_at_ + batch_.size(), batch_at_));
  HF_ASSIGN(decoder_, BatchDecoder::Open(batch_.view(), batch_at_));
  return true;
}

Result<const Record*> SegmentReader::Next() {
  for (;;) {
    if (decoder_) {
      HF_ASSIGN(const Record* record, decoder_->Next());
      if (record != nullptr) {
        HF_TRY(CheckOffset(record->offset));
        return record;
      }
    }
    HF_ASSIGN(const bool more, NextBatch());
    if (!more) return nullptr;
  }
}

Result<void> SegmentReader::CheckOffset(std::int64_t offset) {
  if (last_offset_ < 0 && offset != first_offset_)
    return Fail(ErrorCode::kCorrupt,
                fmt::format("the file begins with the record at offset {}, but its name says {}",
                            offset, first_offset_));
  if (offset <= last_offset_)
    return Fail(ErrorCode::kCorrupt,
                fmt::format("the batch at byte {} is damaged: the record at offset {} comes after "
                            "that at {}",
                            batch_at_, offset, last_offset_));
  last_offset_ = offset;
  return {};
}

}  // namespace holdfast::kafka
