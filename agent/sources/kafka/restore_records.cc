#include "agent/sources/kafka/restore_records.h"

#include <algorithm>
#include <utility>

#include "agent/sources/kafka/stored_cluster.h"
#include "common/base/format.h"
#include "common/kafka/cluster.h"

namespace holdfast::kafka {
namespace {

using rdkafka::Bounds;
using rdkafka::TopicPartition;
using Action = TargetTopic::Action;

constexpr std::size_t kRecordBytesMax = 100U << 20;
constexpr std::uint64_t kRecordsPerCheck = 1024;
constexpr const char* kReplaceHint = "restore the topic again with --replace-topic";

RecordFetcher::OpenReader ReaderOf(const rdkafka::ClientOptions& options) {
  return [options] { return rdkafka::Reader::Open(options, {}); };
}

}  // namespace

RecordRestore::RecordRestore(const Tools& tools, std::stop_token stop)
    : tools_(tools), stop_(std::move(stop)), fetcher_(ReaderOf(tools.client->options()), stop_) {}

RecordRestore::~RecordRestore() = default;

Result<WrittenPartitions> RecordRestore::Run(
    const std::vector<TargetTopic>& topics, std::map<TopicPartition, CommittedOffsets>& committed) {
  const rdkafka::ClientOptions& options = tools_.client->options();
  HF_ASSIGN(writer_, rdkafka::Writer::Open(options,
                                           {.record_bytes_max = kRecordBytesMax,
                                            .delivery_limit = tools_.delivery_limit,
                                            .compression = tools_.request->compression},
                                           [this](const auto& delivery) { Delivered(delivery); }));
  read_back_.emplace(ReaderOf(options), *tools_.clock);
  for (const TargetTopic& topic : topics) HF_TRY(Topic(topic, committed));
  tools_.progress->SetPhase("read back");
  HF_TRY(writer_->Flush(stop_));
  HF_TRY(CheckHealth());
  HF_TRY(read_back_->Finish(stop_));
  HF_TRY(CheckEnds());
  return std::move(written_);
}

Result<void> RecordRestore::Topic(const TargetTopic& topic,
                                  std::map<TopicPartition, CommittedOffsets>& committed) {
  const auto partitions = PartitionsOf(topic.name(), topic.stored->document.partitions);
  HF_ASSIGN(const auto bounds, rdkafka::ListBounds(*tools_.client, partitions, stop_));
  for (std::size_t i = 0; i < partitions.size(); ++i) {
    const auto id = static_cast<std::int32_t>(i);
    const auto wanted = committed.find({topic.stored->name(), id});
    if (bounds[i].error) return Fail(Error(*bounds[i].error).While(NameOf(partitions[i])));
    HF_TRY(Partition(topic, id, bounds[i], wanted == committed.end() ? nullptr : &wanted->second));
  }
  return {};
}

Result<void> RecordRestore::Partition(const TargetTopic& topic, std::int32_t id,
                                      const Bounds& bounds, CommittedOffsets* committed) {
  const TopicPartition partition{topic.name(), id};
  const bool is_empty = bounds.low == bounds.high;
  if (!is_empty && topic.action != Action::kGoOn)
    return Fail(
        ErrorCode::kAlreadyExists,
        fmt::format("{} is no longer empty: another client writes there", NameOf(partition)),
        kReplaceHint);
  HF_ASSIGN(auto document, ReadStoredPartition(*tools_.snapshot, topic.stored->name(), id));
  if (!document) document.emplace();  // the snapshot does not have the partition
  StoredRecords records(*tools_.snapshot, topic.stored->name(), id, *document, *tools_.request);
  if (committed != nullptr) committed->Begin();
  PlaceTally tally;
  if (!is_empty) HF_TRY(GoOn(partition, bounds, records, committed, tally));
  const std::uint64_t were_there = tally.place();

  std::optional<std::uint64_t> load;
  for (;;) {
    HF_ASSIGN(const Record* record, records.Next());
    if (record == nullptr) break;
    if (!load) {
      load = next_load_++;
      const std::int64_t begin = bounds.low + static_cast<std::int64_t>(were_there);
      loads_[*load].read_back = read_back_->Begin(partition, begin, were_there);
    }
    if (committed != nullptr) committed->See(record->offset, tally.place());
    tally.Add(*record, TimestampOf(*record));
    HF_TRY(Write(partition, *record, *load));
    if (tally.place() % kRecordsPerCheck == 0) HF_TRY(CheckHealth());
  }
  if (committed != nullptr) committed->SeeEnd(tally.place());
  written_[partition] = {bounds.low, tally.place(), were_there};
  if (load) {
    loads_.at(*load).run = tally.Finish();
    EndIfDelivered(*load);
  }
  return CheckHealth();
}

Result<void> RecordRestore::GoOn(const TopicPartition& partition, const Bounds& bounds,
                                 StoredRecords& records, CommittedOffsets* committed,
                                 PlaceTally& tally) {
  if (bounds.last_stable != bounds.high) return Modified(partition, "an open transaction");
  PlaceTally there;
  HF_TRY(fetcher_.Begin({.partition = partition, .from = bounds.low, .end = bounds.high}));
  for (;;) {
    HF_ASSIGN(const Record* record, fetcher_.Next());
    if (record == nullptr) break;
    if (record->offset != bounds.low + static_cast<std::int64_t>(there.place()))
      return Modified(partition, "offsets without records");
    there.Add(*record, record->timestamp);
  }
  if (there.place() != static_cast<std::uint64_t>(bounds.high - bounds.low))
    return Modified(partition, "offsets without records");
  while (tally.place() < there.place()) {
    HF_ASSIGN(const Record* record, records.Next());
    if (record == nullptr) return Modified(partition, "more records than expected");
    HF_TRY(CheckStop(stop_));
    if (committed != nullptr) committed->See(record->offset, tally.place());
    tally.Add(*record, TimestampOf(*record));
    ++tools_.progress->items;
    tools_.progress->bytes += record->content_bytes();
  }
  if (there.Finish() != tally.Finish()) return Modified(partition, "other records");
  return {};
}

std::unexpected<Error> RecordRestore::Modified(const TopicPartition& partition,
                                               std::string_view what) {
  modified_ = partition.topic;
  return Fail(ErrorCode::kAlreadyExists,
              fmt::format("{} has {}, which the unfinished restore of this snapshot did not write",
                          NameOf(partition), what),
              kReplaceHint);
}

std::int64_t RecordRestore::TimestampOf(const Record& record) const {
  return record.timestamp == 0 && tools_.request->zero_timestamp_as_one ? 1 : record.timestamp;
}

Result<void> RecordRestore::Write(const TopicPartition& partition, const Record& record,
                                  std::uint64_t load) {
  headers_.clear();
  record.headers.ForEach([this](const Header& header) {
    headers_.push_back({AsText(header.name), header.value});
  });
  ++loads_.at(load).written;
  auto written = writer_->Write({.topic = partition.topic,
                                 .partition = partition.partition,
                                 .timestamp_ms = TimestampOf(record),
                                 .key = record.key,
                                 .value = record.value,
                                 .headers = headers_,
                                 .tag = load},
                                stop_);
  if (!written)
    return Fail(std::move(written).error().While(fmt::format("the record at {}", record.offset)));
  ++tools_.progress->items;
  tools_.progress->bytes += record.content_bytes();
  return {};
}

Result<void> RecordRestore::CheckHealth() {
  if (failure_) return Fail(*failure_);
  if (auto failure = read_back_->failure()) return Fail(*std::move(failure));
  return CheckStop(stop_);
}

void RecordRestore::Delivered(const rdkafka::Delivery& delivery) {
  if (delivery.error) {
    // Later records fail only because of the first one.
    if (!failure_)
      failure_ = Error(*delivery.error)
                     .While("write " + NameOf({std::string(delivery.topic), delivery.partition}));
    return;
  }
  ++loads_.at(delivery.tag).delivered;
  EndIfDelivered(delivery.tag);
}

void RecordRestore::EndIfDelivered(std::uint64_t id) {
  const auto load = loads_.find(id);
  if (!load->second.run || load->second.delivered < load->second.written) return;
  read_back_->End(load->second.read_back, *load->second.run);
  loads_.erase(load);
}

// Verifies that no records follow those read back, e.g. from requests of a killed process.
Result<void> RecordRestore::CheckEnds() {
  constexpr std::size_t kPerCall = 5000;
  std::vector<TopicPartition> names;
  for (const auto& [partition, written] : written_) names.push_back(partition);
  for (std::size_t at = 0; at < names.size(); at += kPerCall) {
    const auto some = std::span(names).subspan(at, std::min(kPerCall, names.size() - at));
    HF_ASSIGN(const auto bounds, rdkafka::ListBounds(*tools_.client, some, stop_));
    for (std::size_t i = 0; i < some.size(); ++i) {
      if (bounds[i].error) return Fail(Error(*bounds[i].error).While(NameOf(some[i])));
      const WrittenPartition& written = written_.at(some[i]);
      const std::int64_t end = written.begin + static_cast<std::int64_t>(written.records);
      if (bounds[i].low == written.begin && bounds[i].high == end) continue;
      return Fail(
          ErrorCode::kCorrupt,
          fmt::format(
              "{} has offsets {} to {}, although {} to {} were written: another client changes it",
              NameOf(some[i]), bounds[i].low, bounds[i].high, written.begin, end),
          kReplaceHint);
    }
  }
  return {};
}

Result<ZeroTimestamps> FindZeroTimestamps(SnapshotView& snapshot, const std::string& topic,
                                          std::int32_t partition, const RestoreRequest& request) {
  ZeroTimestamps found;
  HF_ASSIGN(auto document, ReadStoredPartition(snapshot, topic, partition));
  if (!document) return found;
  std::erase_if(document->files, [](const SegmentFacts& file) {
    return file.run.min_timestamp > 0 || file.run.max_timestamp < 0;
  });
  StoredRecords records(snapshot, topic, partition, *document, request);
  for (;;) {
    HF_ASSIGN(const Record* record, records.Next());
    if (record == nullptr) return found;
    if (record->timestamp == 0 && found.records++ == 0) found.first_offset = record->offset;
  }
}

}  // namespace holdfast::kafka
