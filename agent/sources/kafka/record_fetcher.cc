#include "agent/sources/kafka/record_fetcher.h"

#include <algorithm>
#include <utility>

#include "common/base/format.h"

namespace holdfast::kafka {
namespace {

using rdkafka::ReadEvent;

// A reader keeps requesting the leaders of all topics that it has ever read.
constexpr std::size_t kTopicsPerReader = 200;

}  // namespace

std::string NameOf(const rdkafka::TopicPartition& partition) {
  return fmt::format("partition {} of topic {}", partition.partition, Quote(partition.topic));
}

void RecordBuffer::Add(const Record& record, std::int32_t leader_epoch) {
  Entry& entry = entries_.emplace_back();
  entry.record.offset = record.offset;
  entry.record.timestamp = record.timestamp;
  entry.record.timestamp_type = record.timestamp_type;
  entry.leader_epoch = leader_epoch;
  entry.at = bytes_.size();
  const auto add = [this](ByteView bytes) {
    bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
  };
  if (record.key) {
    entry.key_bytes = static_cast<std::int64_t>(record.key->size());
    add(*record.key);
  }
  if (record.value) {
    entry.value_bytes = static_cast<std::int64_t>(record.value->size());
    add(*record.value);
  }
  entry.headers = record.headers.size();
  entry.header_bytes = record.headers.encoded().size();
  add(record.headers.encoded());
}

Record RecordBuffer::at(std::size_t index) const {
  const Entry& entry = entries_[index];
  Record record = entry.record;
  ByteView rest = ByteView(bytes_).subspan(entry.at);
  const auto take = [&rest](std::int64_t size) -> std::optional<ByteView> {
    if (size < 0) return std::nullopt;
    const ByteView bytes = rest.first(static_cast<std::size_t>(size));
    rest = rest.subspan(bytes.size());
    return bytes;
  };
  record.key = take(entry.key_bytes);
  record.value = take(entry.value_bytes);
  record.headers = Headers(entry.headers, rest.first(entry.header_bytes));
  return record;
}

Result<Record> RecordOf(rdkafka::Reader& reader, const ReadEvent& event, HeaderList& headers) {
  Record record;
  record.offset = event.offset;
  record.timestamp = event.timestamp_ms;
  record.timestamp_type = event.timestamp_type == rdkafka::TimestampType::kLogAppendTime
                              ? TimestampType::kLogAppendTime
                              : TimestampType::kCreateTime;
  record.key = event.key;
  record.value = event.value;
  HF_ASSIGN(const auto found, reader.Headers(event));
  headers.Clear();
  for (const rdkafka::RecordHeader& header : found) headers.Add(AsBytes(header.name), header.value);
  record.headers = headers.view();
  return record;
}

RecordFetcher::RecordFetcher(OpenReader open, std::stop_token stop, Limits limits, LookUp look_up)
    : open_(std::move(open)),
      stop_(std::move(stop)),
      limits_(limits),
      look_up_(std::move(look_up)) {}

RecordFetcher::~RecordFetcher() = default;

Result<void> RecordFetcher::NeedReader(const std::string& topic) {
  if (reader_ != nullptr && (topics_.contains(topic) || topics_.size() < kTopicsPerReader)) {
    topics_.insert(topic);
    return {};
  }
  events_ = {};
  reader_.reset();
  HF_ASSIGN(reader_, open_());
  topics_ = {topic};
  return {};
}

std::chrono::milliseconds RecordFetcher::SilenceOf(std::int32_t leader) const {
  return silent_leaders_.contains(leader) ? limits_.silence_again : limits_.silence;
}

// librdkafka reports nothing at all for a deleted topic.
Result<std::span<const ReadEvent>> RecordFetcher::Wait(std::chrono::milliseconds silence,
                                                       const Topics& topics) {
  const auto at_first = look_up_ ? std::min(silence, limits_.ask_after) : silence;
  auto events = reader_->Next(at_first, stop_);
  if (events || at_first == silence) return events;
  const ErrorCode code = events.error().code();
  const bool is_silence = code == ErrorCode::kTimedOut || code == ErrorCode::kUnavailable;
  if (!is_silence || FindGone(topics())) return events;
  return reader_->Next(silence - at_first, stop_);
}

bool RecordFetcher::FindGone(const std::set<std::string>& topics) {
  const std::vector<std::string> names(topics.begin(), topics.end());
  const auto answers = look_up_(names);
  if (!answers) return false;  // the cluster is silent, too
  bool is_any = false;
  for (std::size_t i = 0; i < names.size(); ++i) {
    const std::optional<Error>& answer = (*answers)[i];
    if (!answer || answer->code() != ErrorCode::kNotFound) continue;
    gone_.insert(names[i]);
    is_any = true;
  }
  return is_any;
}

std::optional<Error> RecordFetcher::WhyGone(const rdkafka::TopicPartition& partition) const {
  if (!gone_.contains(partition.topic)) return std::nullopt;
  return Error(ErrorCode::kUnavailable, "the topic was deleted during the backup")
      .WithHint("back up again for a complete snapshot, which will be without this topic");
}

Result<void> RecordFetcher::TakeSmall(const ReadEvent& event, const RecordRange& range,
                                      Fetched& into, std::size_t& held, bool& is_done) {
  switch (event.kind) {
    case ReadEvent::Kind::kFailed:
      into.failure = *event.failure;
      is_done = true;
      return {};
    case ReadEvent::Kind::kEnd:
      into.is_whole = is_done = event.offset >= range.end;
      return {};
    case ReadEvent::Kind::kRecord:
      break;
  }
  bool is_too_much = false;
  if (event.offset < range.end) {
    HF_ASSIGN(const Record record, RecordOf(*reader_, event, headers_));
    const std::size_t before = into.records.bytes();
    into.records.Add(record, event.leader_epoch);
    const std::size_t others = std::exchange(held, held + into.records.bytes() - before);
    is_too_much = others > 0 && held > kAtOnceBytesMax;
  }
  into.is_whole = !is_too_much && event.offset >= range.end - 1;
  is_done = into.is_whole || is_too_much || into.records.bytes() > kSmallBytesMax;
  if (is_done && !into.is_whole) {
    held -= into.records.bytes();
    into.records = {};
  }
  return {};
}

Result<std::vector<RecordFetcher::Fetched>> RecordFetcher::FetchSmall(
    std::span<const RecordRange> ranges) {
  HF_CHECK(!is_streaming_);
  std::vector<Fetched> fetched(ranges.size());
  std::set<std::size_t> open;
  // Replacing the reader drops what it was reading, so add all topics before the first Start().
  std::set<std::string> topics;
  for (const RecordRange& range : ranges) topics.insert(range.partition.topic);
  if (topics_.size() + topics.size() > kTopicsPerReader) reader_.reset();
  if (reader_ == nullptr) {
    HF_ASSIGN(reader_, open_());
    topics_.clear();
  }
  topics_.merge(topics);
  std::chrono::milliseconds silence = limits_.silence_again;
  for (std::size_t i = 0; i < ranges.size(); ++i) {
    if (ranges[i].from >= ranges[i].end) {
      fetched[i].is_whole = true;
      continue;
    }
    fetched[i].failure = WhyGone(ranges[i].partition);
    if (fetched[i].failure) continue;
    if (auto begun = reader_->Start(ranges[i].partition, ranges[i].from, i); !begun) {
      fetched[i].failure = std::move(begun).error();
      continue;
    }
    open.insert(i);
    silence = std::max(silence, SilenceOf(ranges[i].leader));
  }
  std::vector<std::size_t> done;
  std::size_t held = 0;
  while (!open.empty()) {
    auto events = Wait(silence, [&] {
      std::set<std::string> silent;
      for (const std::size_t i : open) silent.insert(ranges[i].partition.topic);
      return silent;
    });
    if (!events) {
      if (events.error().code() == ErrorCode::kCancelled) return Fail(std::move(events).error());
      const std::size_t count = std::erase_if(open, [&](std::size_t i) {
        fetched[i].failure = WhyGone(ranges[i].partition);
        if (!fetched[i].failure) return false;
        fetched[i].records = {};
        reader_->Stop(ranges[i].partition);
        return true;
      });
      if (count > 0) continue;
      for (const std::size_t i : open) {
        fetched[i].failure = events.error();
        fetched[i].records = {};
        silent_leaders_.insert(ranges[i].leader);
      }
      reader_.reset();  // drops all ranges in progress
      topics_.clear();
      return fetched;
    }
    done.clear();
    for (const ReadEvent& event : *events) {
      const std::size_t i = event.tag;
      if (!open.contains(i)) continue;
      silent_leaders_.erase(ranges[i].leader);
      bool is_done = false;
      HF_TRY(TakeSmall(event, ranges[i], fetched[i], held, is_done));
      if (!is_done) continue;
      open.erase(i);
      if (event.kind != ReadEvent::Kind::kFailed) done.push_back(i);
    }
    for (const std::size_t i : done) reader_->Stop(ranges[i].partition);
  }
  return fetched;
}

Result<void> RecordFetcher::Begin(const RecordRange& range) {
  HF_CHECK(!is_streaming_);
  range_ = range;
  position_ = range.from;
  leader_epoch_ = -1;
  events_ = {};
  if (range.from >= range.end) return {};
  if (auto gone = WhyGone(range.partition)) return Fail(*std::move(gone));
  HF_TRY(NeedReader(range.partition.topic));
  HF_TRY(reader_->Start(range.partition, range.from, 0));
  is_streaming_ = true;
  return {};
}

Result<const Record*> RecordFetcher::Next() {
  while (is_streaming_ && position_ < range_.end) {
    if (events_.empty()) {
      auto events =
          Wait(SilenceOf(range_.leader), [this] { return std::set{range_.partition.topic}; });
      if (!events) {
        if (auto gone = WhyGone(range_.partition)) {
          End();
          return Fail(*std::move(gone));
        }
        if (events.error().code() != ErrorCode::kCancelled) silent_leaders_.insert(range_.leader);
        End();
        return Fail(std::move(events).error().While(NameOf(range_.partition)));
      }
      silent_leaders_.erase(range_.leader);
      events_ = *events;
    }
    const ReadEvent& event = events_.front();
    events_ = events_.subspan(1);
    if (event.kind == ReadEvent::Kind::kFailed) {
      is_streaming_ = false;  // the reader has stopped it already
      return Fail(Error(*event.failure).While(NameOf(range_.partition)));
    }
    if (event.kind == ReadEvent::Kind::kEnd || event.offset >= range_.end) {
      position_ = std::max(position_, event.offset);
      continue;
    }
    auto record = RecordOf(*reader_, event, headers_);
    if (!record) {
      End();
      return Fail(std::move(record).error().While(NameOf(range_.partition)));
    }
    record_ = *record;
    leader_epoch_ = event.leader_epoch;
    position_ = event.offset + 1;
    return &record_;
  }
  End();
  return nullptr;
}

void RecordFetcher::End() {
  events_ = {};
  if (std::exchange(is_streaming_, false)) reader_->Stop(range_.partition);
}

}  // namespace holdfast::kafka
