#include "agent/sources/kafka/stored_records.h"

#include <utility>

#include "agent/sources/kafka/segment_writer.h"
#include "agent/sources/kafka/stored_cluster.h"
#include "common/base/format.h"

namespace holdfast::kafka {

StoredRecords::StoredRecords(SnapshotView& snapshot, std::string topic, std::int32_t partition,
                             const PartitionDocument& document, const RestoreRequest& request)
    : snapshot_(snapshot),
      topic_(std::move(topic)),
      partition_(partition),
      document_(document),
      request_(request) {}

Result<bool> StoredRecords::NextFile() {
  while (next_file_ < document_.files.size() &&
         !IsWanted(document_.files[next_file_].run, request_))
    ++next_file_;
  if (next_file_ == document_.files.size()) return false;
  const std::int64_t first = document_.files[next_file_++].run.first_offset;
  path_ = fmt::format("{}/{}", PartitionPath(topic_, partition_), SegmentName(first));
  auto file = snapshot_.Open(path_);
  if (!file) return Fail(std::move(file).error().While(Quote(path_)));
  file_ = *std::move(file);
  reader_.emplace(*file_, first);
  return true;
}

Result<const Record*> StoredRecords::NextInFile() {
  for (;;) {
    auto record = reader_->Next();
    if (!record) return Fail(std::move(record).error().While(Quote(path_)));
    if (*record == nullptr) break;
    tally_.Add(**record);
    if (!request_.until_ms || (*record)->timestamp < *request_.until_ms) return *record;
  }
  reader_.reset();
  file_.reset();
  if (tally_.Finish() == document_.files[next_file_ - 1].run) return nullptr;
  next_file_ = document_.files.size();
  return Fail(ErrorCode::kCorrupt,
              fmt::format("{}: its records do not match {}", Quote(path_),
                          Quote(PartitionDocumentPath(topic_, partition_))),
              "restore another snapshot");
}

Result<const Record*> StoredRecords::Next() {
  for (;;) {
    if (!reader_) {
      HF_ASSIGN(const bool more, NextFile());
      if (!more) return nullptr;
    }
    HF_ASSIGN(const Record* record, NextInFile());
    if (record != nullptr) return record;
  }
}

void PlaceTally::Add(const Record& record, std::int64_t timestamp) {
  Record counted = record;
  counted.offset = static_cast<std::int64_t>(place_++);
  counted.timestamp = timestamp;
  counted.timestamp_type = TimestampType::kCreateTime;
  tally_.Add(counted);
}

}  // namespace holdfast::kafka
