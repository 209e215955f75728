#include "agent/sources/kafka/partition_saver.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "common/base/format.h"

namespace holdfast::kafka {
namespace {

RecordRun RunOf(const Record& record) {
  RunTally tally;
  tally.Add(record);
  return tally.Finish();
}

// The last record of a batch that was just encoded.
RecordRun LastOf(ByteView batch) {
  RecordRun run;
  Result<BatchDecoder> decoder = BatchDecoder::Open(batch, 0);
  HF_CHECK(decoder.has_value());
  for (;;) {
    Result<const Record*> record = decoder->Next();
    HF_CHECK(record.has_value());
    if (*record == nullptr) return run;
    run = RunOf(**record);
  }
}

// Streams the current file of a writer, no faster than it is read.
class BatchStream {
 public:
  explicit BatchStream(SegmentWriter& writer) : writer_(writer) {}

  Result<std::size_t> Read(std::span<std::uint8_t> buffer) {
    std::size_t count = 0;
    while (count < buffer.size() && !is_at_end_) {
      if (rest_.empty()) {
        HF_ASSIGN(rest_, writer_.NextBatch());
        is_at_end_ = rest_.empty();
        bytes_ += rest_.size();
        if (!is_at_end_) last_batch_ = rest_;
      }
      const std::size_t some = std::min(rest_.size(), buffer.size() - count);
      if (some > 0) std::memcpy(buffer.data() + count, rest_.data(), some);
      rest_ = rest_.subspan(some);
      count += some;
    }
    return count;
  }
  std::uint64_t bytes() const { return bytes_; }
  // Valid until the writer's next file.
  ByteView last_batch() const { return last_batch_; }
  bool is_at_end() const { return is_at_end_; }

 private:
  SegmentWriter& writer_;
  ByteView rest_;
  ByteView last_batch_;
  std::uint64_t bytes_ = 0;
  bool is_at_end_ = false;
};

// Reads a stored file from Kafka again and verifies that it is the same.
class AgainReader final : public ByteReader {
 public:
  AgainReader(const SaverTools& tools, rdkafka::TopicPartition partition, const SegmentFacts& file)
      : partition_(std::move(partition)),
        file_(file),
        fetcher_(tools.open_reader, tools.stop),
        writer_([this] { return fetcher_.Next(); }, tools.borders),
        stream_(writer_) {}

  Result<void> Open() {
    HF_TRY(fetcher_.Begin({.partition = partition_,
                           .leader = -1,
                           .from = file_.run.first_offset,
                           .end = file_.run.last_offset + 1}));
    HF_ASSIGN(const auto first, writer_.NextFile());
    if (first != file_.run.first_offset) return Differs();
    return {};
  }

  Result<std::size_t> Read(std::span<std::uint8_t> buffer) override {
    HF_ASSIGN(const std::size_t count, stream_.Read(buffer));
    if (count == 0 && (stream_.bytes() != file_.bytes || writer_.run() != file_.run))
      return Differs();
    return count;
  }

 private:
  std::unexpected<Error> Differs() const {
    return Fail(ErrorCode::kCorrupt,
                fmt::format("the repository has lost {} of {}, and Kafka now has different records",
                            SegmentName(file_.run.first_offset), NameOf(partition_)),
                "back up with --rehash, which reads everything that Kafka has");
  }

  const rdkafka::TopicPartition partition_;
  const SegmentFacts file_;
  RecordFetcher fetcher_;
  SegmentWriter writer_;
  BatchStream stream_;
};

}  // namespace

Result<std::unique_ptr<ByteReader>> ReadAgain(const SaverTools& tools,
                                              const rdkafka::TopicPartition& partition,
                                              const SegmentFacts& file) {
  auto reader = std::make_unique<AgainReader>(tools, partition, file);
  HF_TRY(reader->Open());
  return reader;
}

RecordRange PartitionWork::Range() const {
  RecordRange range{.partition = partition, .leader = now.leader, .from = 0, .end = 0};
  range.from = plan.must_compare ? previous->last_record.last_offset : plan.read_from;
  range.end = plan.grows ? now.last_stable : plan.must_compare ? range.from + 1 : range.from;
  return range;
}

// The content of the writer's current file.
class PartitionSaver::FileReader final : public ByteReader {
 public:
  explicit FileReader(PartitionSaver& saver)
      : saver_(saver), stream_(*saver.writer_), attributes_(saver.tools_.attributes) {}

  Result<std::size_t> Read(std::span<std::uint8_t> buffer) override {
    HF_ASSIGN(const std::size_t count, stream_.Read(buffer));
    if (stream_.is_at_end() && !std::exchange(is_end_reported_, true))
      saver_.FileDone(saver_.writer_->run(), stream_.bytes(), stream_.last_batch());
    return count;
  }
  Result<Outcome> Finish() override {
    attributes_.size = stream_.bytes();
    return Outcome{.attributes = attributes_};
  }

 private:
  PartitionSaver& saver_;
  BatchStream stream_;
  Attributes attributes_;
  bool is_end_reported_ = false;
};

PartitionSaver::PartitionSaver(const SaverTools& tools, PartitionWork work)
    : tools_(tools), work_(std::move(work)) {
  const PartitionFacts& now = work_.now;
  document_.topic_id = now.topic_id;
  document_.leader = now.leader;
  document_.low = now.low;
  document_.last_stable = now.last_stable;
  document_.high = now.high;
  document_.end = now.last_stable;
  document_.epochs = now.epochs;
  document_.compacted = now.compacted;
}

PartitionSaver::~PartitionSaver() {
  if (is_streaming_) tools_.fetcher->End();
}

std::string PartitionSaver::PathOf(const SegmentFacts& file) const {
  return PartitionPath(work_.partition.topic, work_.partition.partition) + "/" +
         SegmentName(file.run.first_offset);
}

Result<std::optional<Item>> PartitionSaver::Next() {
  for (;;) {
    switch (stage_) {
      case Stage::kBegin: {
        HF_TRY(Begin());
        HF_ASSIGN(std::optional<Item> unchanged, Unchanged());
        if (unchanged) {
          stage_ = Stage::kEnd;
          return unchanged;
        }
        stage_ = work_.plan.trims ? Stage::kTrim : Stage::kKeep;
        kept_ = work_.plan.has_kept ? work_.plan.keep : old_count();
        if (work_.plan.trims) BeginWriter(work_.plan.keep, true);
        break;
      }
      case Stage::kTrim: {
        HF_ASSIGN(std::optional<Item> item, NextWritten());
        if (item) return item;
        kept_ = is_feeding_ ? fed_ : old_count();
        stage_ = Stage::kKeep;
        break;
      }
      case Stage::kKeep: {
        // The last stored file may not end at a border, so feed it again if there are new records.
        const bool keeps = kept_ + (work_.plan.grows ? 1 : 0) < old_count();
        if (keeps) return NextKept();
        stage_ = work_.plan.grows && !is_read_ ? Stage::kGrow : Stage::kDocument;
        if (stage_ == Stage::kGrow) BeginWriter(kept_, kept_ < old_count());
        break;
      }
      case Stage::kGrow: {
        HF_ASSIGN(std::optional<Item> item, NextWritten());
        if (item) return item;
        stage_ = Stage::kDocument;
        break;
      }
      case Stage::kDocument:
        stage_ = Stage::kEnd;
        return Document();
      case Stage::kEnd:
        return std::nullopt;
    }
  }
}

Result<void> PartitionSaver::Begin() {
  if (work_.plan.must_compare) HF_TRY(Compare());
  if (!work_.plan.reread_reason.empty())
    warnings_.push_back(fmt::format("{} is saved again from the start: {}", NameOf(work_.partition),
                                    work_.plan.reread_reason));
  if (work_.plan.lost) document_.lost.push_back(*work_.plan.lost);
  read_to_ = work_.plan.read_from;
  fed_to_ = work_.now.low;
  return {};
}

// Checks that the last stored record is still at its offset. If not, everything is read again.
Result<void> PartitionSaver::Compare() {
  const PartitionDocument& previous = *work_.previous;
  const RecordRange range = work_.Range();
  std::optional<Record> found;
  std::int32_t epoch = -1;
  std::optional<Error> failure;
  if (work_.fetched && work_.fetched->is_whole) {
    if (work_.fetched->records.size() > 0) {
      found = work_.fetched->records.at(0);
      epoch = work_.fetched->records.leader_epoch(0);
    }
  } else {
    Result<const Record*> record = nullptr;
    Result<void> begun = tools_.fetcher->Begin(range);
    if (!begun) {
      record = Fail(std::move(begun).error());
    } else {
      is_streaming_ = true;
      record = tools_.fetcher->Next();
      is_streaming_ = tools_.fetcher->is_streaming();
    }
    if (!record) {
      if (record.error().code() == ErrorCode::kCancelled) return Fail(std::move(record).error());
      if (record.error().code() != ErrorCode::kNotFound) failure = std::move(record).error();
    } else if (*record != nullptr) {
      found = **record;
      epoch = tools_.fetcher->leader_epoch();
    }
  }
  if (failure) {  // keep what is stored, and add nothing
    StopAt(previous.end, *failure);
    work_.plan.grows = false;
    is_read_ = true;
    return {};
  }
  const bool is_same_epoch =
      epoch < 0 || previous.last_record_epoch < 0 || epoch == previous.last_record_epoch;
  if (found && is_same_epoch && RunOf(*found) == previous.last_record) return {};
  tools_.fetcher->End();
  is_streaming_ = false;
  work_.fetched.reset();
  work_.plan = Replan(work_.now, fmt::format("its records at offset {} differ from the saved ones",
                                             previous.last_record.last_offset));
  return {};
}

// Reuses the whole directory of the previous snapshot; nullopt if anything has changed.
Result<std::optional<Item>> PartitionSaver::Unchanged() {
  if (!work_.previous || work_.plan.grows || work_.plan.trims || work_.plan.keep > 0)
    return std::nullopt;
  if (work_.plan.has_kept) {
    document_.files = work_.previous->files;
    document_.last_record = work_.previous->last_record;
    document_.last_record_epoch = work_.previous->last_record_epoch;
  }
  if (document_ != *work_.previous) {
    document_.files.clear();
    return std::nullopt;
  }
  const std::string path = PartitionPath(work_.partition.topic, work_.partition.partition);
  HF_ASSIGN(std::unique_ptr<const SnapshotEntry> entry, tools_.previous->Find(path));
  if (entry == nullptr) {
    document_.files.clear();
    return std::nullopt;
  }
  for (const SegmentFacts& file : document_.files) file_bytes_ += file.bytes;
  Item item;
  item.path = path;
  item.attributes = entry->attributes();
  item.content = Reuse{.path = path, .read = nullptr, .entry = std::move(entry)};
  return item;
}

Result<Item> PartitionSaver::NextKept() {
  const SegmentFacts& file = work_.previous->files[kept_++];
  Item item;
  item.path = PathOf(file);
  HF_ASSIGN(std::unique_ptr<const SnapshotEntry> entry, tools_.previous->Find(item.path));
  HF_CHECK(entry != nullptr);  // FindPrevious() has checked it
  item.attributes = entry->attributes();
  item.content = Reuse{.path = item.path,
                       .read = [this_tools = &tools_, partition = work_.partition,
                                file] { return ReadAgain(*this_tools, partition, file); },
                       .entry = std::move(entry)};
  document_.files.push_back(file);
  file_bytes_ += file.bytes;
  document_.last_record = work_.previous->last_record;
  document_.last_record_epoch = work_.previous->last_record_epoch;
  return item;
}

void PartitionSaver::BeginWriter(std::size_t fed, bool is_feeding) {
  fed_ = fed;
  is_feeding_ = is_feeding;
  writer_ = std::make_unique<SegmentWriter>([this] { return NextForWriter(); }, tools_.borders);
}

Result<std::optional<Item>> PartitionSaver::NextWritten() {
  HF_ASSIGN(const auto first, writer_->NextFile());
  if (!first) return std::nullopt;
  Item item;
  item.path =
      PartitionPath(work_.partition.topic, work_.partition.partition) + "/" + SegmentName(*first);
  item.attributes = tools_.attributes;
  item.content = std::make_unique<FileReader>(*this);
  return item;
}

Item PartitionSaver::Document() {
  if (document_.last_record_epoch < 0 && document_.last_record.records > 0)
    document_.last_record_epoch =
        EpochAt(document_.epochs, document_.last_record.last_offset).value_or(-1);
  // An election during the backup may have replaced records that were already read.
  if (records_read_ > 0 && !document_.epochs.empty() && document_.incomplete.empty()) {
    const auto before = EpochAt(document_.epochs, document_.end - 1);
    const auto after = EpochAt(tools_.epochs(work_.partition), document_.end - 1);
    if (before && after && *before != *after)
      document_.incomplete = fmt::format(
          "a replica without the newest records became its leader during the backup: offset {} has "
          "leader epoch {} and had {}",
          document_.end - 1, *after, *before);
  }
  return TextItem(PartitionDocumentPath(work_.partition.topic, work_.partition.partition),
                  EncodePartition(document_), tools_.attributes);
}

Result<const Record*> PartitionSaver::NextForWriter() {
  while (is_feeding_) {
    HF_ASSIGN(const Record* record, NextFed());
    if (record != nullptr) return record;
    if (!is_feeding_) break;  // reading it failed
    fed_reader_.reset();
    fed_content_.reset();
    if (++fed_ == old_count()) {
      is_feeding_ = false;
    } else if (fed_to_border_) {
      return nullptr;
    }
  }
  if (!work_.plan.grows) {
    is_read_ = true;
    return nullptr;
  }
  return NextOfKafka();
}

Result<void> PartitionSaver::OpenFed() {
  const SegmentFacts& file = work_.previous->files[fed_];
  HF_ASSIGN(fed_content_, tools_.previous->Open(PathOf(file)));
  fed_reader_ = std::make_unique<SegmentReader>(*fed_content_, file.run.first_offset);
  return {};
}

// Returns the next record of the stored file `fed_`; null at its end. If the file cannot be read,
// continues with Kafka, which may still have its remaining records and all later ones.
Result<const Record*> PartitionSaver::NextFed() {
  Result<void> opened = fed_reader_ == nullptr ? OpenFed() : Result<void>();
  while (opened) {
    Result<const Record*> record = fed_reader_->Next();
    if (!record) {
      opened = Fail(std::move(record).error());
      break;
    }
    if (*record == nullptr) return nullptr;
    fed_to_ = (*record)->offset + 1;
    fed_to_border_ = tools_.borders.EndsFile(**record);
    if ((*record)->offset >= work_.now.low) return *record;
  }
  warnings_.push_back(fmt::format(
      "{} is read again from offset {}: the previous snapshot's file cannot be read: {}",
      NameOf(work_.partition), std::max(fed_to_, work_.now.low), opened.error().Text()));
  is_feeding_ = false;
  fed_reader_.reset();
  fed_content_.reset();
  if (is_streaming_) tools_.fetcher->End();
  is_streaming_ = false;
  work_.fetched.reset();
  work_.plan.grows = true;
  read_to_ = std::max({fed_to_, work_.previous->files[fed_].run.first_offset, work_.now.low});
  // Kafka cannot be read either, so this is the end.
  if (is_read_) document_.end = read_to_;
  return nullptr;
}

void PartitionSaver::Give(const Record& record, std::int32_t leader_epoch) {
  read_to_ = record.offset + 1;
  last_epoch_ = leader_epoch;
  ++records_read_;
}

Result<const Record*> PartitionSaver::NextOfKafka() {
  if (is_read_) return nullptr;
  if (!work_.fetched || !work_.fetched->is_whole) return NextOfStream();
  const RecordBuffer& records = work_.fetched->records;
  while (buffered_ < records.size()) {
    buffered_record_ = records.at(buffered_);
    const std::int32_t epoch = records.leader_epoch(buffered_++);
    if (buffered_record_.offset < read_to_) continue;  // it was fetched only for the comparison
    Give(buffered_record_, epoch);
    return &buffered_record_;
  }
  is_read_ = true;
  return nullptr;
}

Result<const Record*> PartitionSaver::NextOfStream() {
  const std::int64_t end = work_.now.last_stable;
  for (;;) {
    Result<const Record*> record = nullptr;
    if (!is_streaming_ && read_to_ < end) {
      Result<void> begun = tools_.fetcher->Begin(
          {.partition = work_.partition, .leader = work_.now.leader, .from = read_to_, .end = end});
      if (!begun) record = Fail(std::move(begun).error());
      is_streaming_ = begun.has_value();
    }
    if (record && is_streaming_) record = tools_.fetcher->Next();
    is_streaming_ = tools_.fetcher->is_streaming();
    if (!record) {
      read_to_ = std::max(read_to_, tools_.fetcher->position());
      HF_ASSIGN(const bool tolerate_unreachable, ContinueAfter(record.error()));
      if (tolerate_unreachable) continue;
    } else if (*record != nullptr) {
      if ((*record)->offset < read_to_) continue;
      Give(**record, tools_.fetcher->leader_epoch());
      return *record;
    }
    is_read_ = true;
    return nullptr;
  }
}

// Handles an error at `read_to_`. True if retention deleted records and reading can continue.
Result<bool> PartitionSaver::ContinueAfter(const Error& failure) {
  if (failure.code() == ErrorCode::kCancelled) return Fail(Error(failure));
  if (failure.code() == ErrorCode::kNotFound) {
    const Result<rdkafka::Bounds> bounds = tools_.bounds(work_.partition);
    if (bounds && !bounds->error && bounds->low > read_to_) {
      const std::int64_t end = std::min(bounds->low, work_.now.last_stable);
      document_.lost.push_back({read_to_, end, "deleted during the backup"});
      read_to_ = end;
      return true;
    }
  }
  StopAt(read_to_, failure);
  return false;
}

void PartitionSaver::StopAt(std::int64_t offset, const Error& failure) {
  document_.end = offset;
  document_.incomplete = failure.message();
  remedy_ = failure.hint();
}

PartitionSaver::Given PartitionSaver::given() const {
  if (document_.files.empty()) return {};
  const std::int64_t end = document_.files.back().run.last_offset + 1;
  return {static_cast<std::uint64_t>(std::max<std::int64_t>(end - document_.low, 0)), file_bytes_};
}

void PartitionSaver::FileDone(const RecordRun& run, std::uint64_t bytes, ByteView last_batch) {
  document_.files.push_back({.bytes = bytes, .run = run});
  file_bytes_ += bytes;
  document_.last_record = LastOf(last_batch);
  // A record from the previous snapshot keeps the epoch stored there.
  const bool is_new = records_read_ > 0 && document_.last_record.last_offset + 1 == read_to_;
  const bool is_old = work_.previous && document_.last_record == work_.previous->last_record;
  document_.last_record_epoch = is_new   ? last_epoch_
                                : is_old ? work_.previous->last_record_epoch
                                         : -1;
}

}  // namespace holdfast::kafka
