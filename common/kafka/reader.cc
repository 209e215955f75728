#include "common/kafka/reader.h"

#include <algorithm>
#include <cstring>
#include <deque>
#include <map>
#include <unordered_map>
#include <utility>

#include "common/base/format.h"
#include "common/kafka/handle.h"

namespace holdfast::rdkafka {
namespace {

using std::chrono::milliseconds;
using MessagePtr = std::unique_ptr<rd_kafka_message_t, Deleter<rd_kafka_message_destroy>>;

// A fetch that was started arrives whole, however full the queue is.
constexpr std::size_t kFetchBytesMin = 1'000'000;  // librdkafka's minimum
constexpr std::size_t kFetchBytesMax = 8U << 20;

Settings ReaderSettings(const ReaderOptions& options) {
  Settings settings = {
      {"enable.partition.eof", "true"},
      {"auto.offset.reset", "error"},  // never start at another offset
      {"isolation.level", options.uncommitted ? "read_uncommitted" : "read_committed"},
      {"check.crcs", "true"},
      {"enable.auto.commit", "false"},
      // The end is reported when a fetch finds nothing; brokers wait this long for data.
      {"fetch.wait.max.ms", "20"},
      // The queue is bounded by bytes.
      {"queued.min.messages", "1000000"},
      {"queued.max.messages.kbytes",
       std::to_string(std::max<std::size_t>(1, options.ahead_bytes / 1024))},
      {"fetch.max.bytes",
       std::to_string(std::clamp(options.ahead_bytes / 4, kFetchBytesMin, kFetchBytesMax))},
  };
  // If its queue is full, librdkafka pauses for a second, even after the queue is empty. Reading
  // then has a third of the speed. Later versions can shorten the pause. Earlier ones check again
  // at any response, e.g. to a small metadata request.
  if (IsKnownProperty("fetch.queue.backoff.ms"))
    settings.push_back({"fetch.queue.backoff.ms", "10"});
  else
    settings.push_back({"topic.metadata.refresh.interval.ms", "20"});
  return settings;
}

TimestampType TypeOf(rd_kafka_timestamp_type_t type) {
  switch (type) {
    case RD_KAFKA_TIMESTAMP_CREATE_TIME:
      return TimestampType::kCreateTime;
    case RD_KAFKA_TIMESTAMP_LOG_APPEND_TIME:
      return TimestampType::kLogAppendTime;
    default:
      return TimestampType::kNone;
  }
}

std::int32_t LeaderEpochOf(const rd_kafka_message_t* message) {
#if RD_KAFKA_VERSION >= 0x020100ff
  return rd_kafka_message_leader_epoch(message);
#else
  (void)message;
  return -1;
#endif
}

std::optional<ByteView> BytesOf(const void* data, std::size_t size) {
  if (data == nullptr) return std::nullopt;
  return ByteView(static_cast<const std::uint8_t*>(data), size);
}

class QueueReader final : public Reader {
 public:
  QueueReader(std::unique_ptr<Handle> handle, const ReaderOptions& options)
      : handle_(std::move(handle)),
        queue_(rd_kafka_queue_new(handle_->get())),
        batch_(std::max<std::size_t>(1, options.batch_records_max)) {}
  ~QueueReader() override;

  Result<void> Start(const TopicPartition& partition, std::int64_t offset,
                     std::uint64_t tag) override;
  void Stop(const TopicPartition& partition) override;
  Result<std::span<const ReadEvent>> Next(milliseconds limit, const std::stop_token& stop) override;
  Result<std::span<const RecordHeader>> Headers(const ReadEvent& record) override;

 private:
  // The opaque of a topic object. librdkafka returns this object with each message.
  struct Reading {
    std::string name;
    TopicPtr topic;
    std::unordered_map<std::int32_t, std::uint64_t> tags;  // by partition being read
  };

  Reading* ReadingOf(const std::string& topic);
  void End(Reading& reading, std::int32_t partition);
  void ReleaseBatch();
  std::size_t Poll(milliseconds wait);
  void ReadMessage(rd_kafka_message_t* message);
  void ReadFailure(Reading& reading, const rd_kafka_message_t& message, ReadEvent& event);

  std::unique_ptr<Handle> handle_;
  QueuePtr queue_;
  // Kept until the reader ends: librdkafka keeps a topic that it has read, and its opaque.
  std::map<std::string, Reading> readings_;
  std::size_t under_way_ = 0;  // partitions being read
  bool was_answered_ = false;
  SystemClock clock_;
  std::vector<rd_kafka_message_t*> batch_;
  std::size_t batch_size_ = 0;
  std::vector<ReadEvent> events_;
  std::deque<Error> failures_;  // referenced by events_
  std::vector<RecordHeader> headers_;
};

QueueReader::~QueueReader() {
  ReleaseBatch();
  for (auto& [name, reading] : readings_)
    for (const auto& [partition, tag] : reading.tags)
      (void)rd_kafka_consume_stop(reading.topic.get(), partition);
  readings_.clear();
  queue_.reset();
}

QueueReader::Reading* QueueReader::ReadingOf(const std::string& topic) {
  const auto [entry, is_new] = readings_.try_emplace(topic);
  Reading& reading = entry->second;
  if (!is_new) return &reading;
  reading.name = topic;
  rd_kafka_topic_conf_t* config = rd_kafka_default_topic_conf_dup(handle_->get());
  rd_kafka_topic_conf_set_opaque(config, &reading);
  reading.topic.reset(rd_kafka_topic_new(handle_->get(), topic.c_str(), config));  // takes config
  if (reading.topic) return &reading;
  readings_.erase(entry);
  return nullptr;
}

Result<void> QueueReader::Start(const TopicPartition& partition, std::int64_t offset,
                                std::uint64_t tag) {
  HF_CHECK(offset >= 0);
  Reading* reading = ReadingOf(partition.topic);
  if (reading == nullptr)
    return Fail(
        ErrorOf(rd_kafka_last_error(), "").While(fmt::format("topic {}", Quote(partition.topic))));
  HF_CHECK(reading->tags.try_emplace(partition.partition, tag).second);
  if (rd_kafka_consume_start_queue(reading->topic.get(), partition.partition, offset,
                                   queue_.get()) == 0) {
    ++under_way_;
    return {};
  }
  Error error = ErrorOf(rd_kafka_last_error(), "");
  reading->tags.erase(partition.partition);
  return Fail(std::move(error).While(
      fmt::format("read partition {} of topic {}", partition.partition, Quote(partition.topic))));
}

void QueueReader::End(Reading& reading, std::int32_t partition) {
  // Waits only for librdkafka's own thread. Queued messages are ignored from now on.
  (void)rd_kafka_consume_stop(reading.topic.get(), partition);
  reading.tags.erase(partition);
  --under_way_;
}

void QueueReader::Stop(const TopicPartition& partition) {
  ReleaseBatch();
  const auto reading = readings_.find(partition.topic);
  if (reading == readings_.end() || !reading->second.tags.contains(partition.partition)) return;
  End(reading->second, partition.partition);
}

void QueueReader::ReleaseBatch() {
  for (std::size_t i = 0; i < batch_size_; ++i) rd_kafka_message_destroy(batch_[i]);
  batch_size_ = 0;
  events_.clear();
  failures_.clear();
  headers_.clear();
}

// Takes what is queued, or waits for one message: a batch call would wait for a full batch.
std::size_t QueueReader::Poll(milliseconds wait) {
  const auto take = [this](std::size_t have) {
    const ssize_t count =
        rd_kafka_consume_batch_queue(queue_.get(), 0, batch_.data() + have, batch_.size() - have);
    return have + static_cast<std::size_t>(std::max<ssize_t>(0, count));
  };
  batch_size_ = take(0);
  if (batch_size_ > 0) return batch_size_;
  rd_kafka_message_t* first = rd_kafka_consume_queue(queue_.get(), static_cast<int>(wait.count()));
  if (first == nullptr) return 0;
  batch_[0] = first;
  batch_size_ = 1;
  if (batch_.size() > 1) batch_size_ = take(1);
  return batch_size_;
}

Result<std::span<const ReadEvent>> QueueReader::Next(milliseconds limit,
                                                     const std::stop_token& stop) {
  HF_CHECK(under_way_ > 0);
  std::stop_callback wake(stop, [raw = queue_.get()] { rd_kafka_queue_yield(raw); });
  const Instant deadline = clock_.Monotonic() + limit;
  for (;;) {
    ReleaseBatch();
    if (stop.stop_requested()) return Fail(handle_->Cancelled());
    const auto left = std::chrono::ceil<milliseconds>(deadline - clock_.Monotonic());
    Poll(std::clamp(left, milliseconds::zero(), kSlice));
    handle_->Serve();
    for (std::size_t i = 0; i < batch_size_; ++i) ReadMessage(batch_[i]);
    if (!events_.empty()) {
      handle_->Answered();
      was_answered_ = true;
      return events_;
    }
    // A starting broker may refuse logins for a moment, too.
    if (!was_answered_ && handle_->MustGiveUp())
      return Fail(handle_->Failure(RD_KAFKA_RESP_ERR__TIMED_OUT));
    if (clock_.Monotonic() >= deadline) {
      return Fail(handle_->Failure(RD_KAFKA_RESP_ERR__TIMED_OUT,
                                   fmt::format("received nothing for {}", FormatDuration(limit))));
    }
  }
}

void QueueReader::ReadMessage(rd_kafka_message_t* message) {
  if (message->rkt == nullptr) return;  // not about a partition
  auto* reading = static_cast<Reading*>(rd_kafka_topic_opaque(message->rkt));
  const auto tag = reading->tags.find(message->partition);
  if (tag == reading->tags.end()) return;  // failed earlier in this batch
  ReadEvent& event = events_.emplace_back();
  event.tag = tag->second;
  event.offset = message->offset;
  if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
    event.kind = ReadEvent::Kind::kEnd;
    return;
  }
  if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
    ReadFailure(*reading, *message, event);
    return;
  }
  rd_kafka_timestamp_type_t type = RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
  const std::int64_t timestamp_ms = rd_kafka_message_timestamp(message, &type);
  event.timestamp_type = TypeOf(type);
  // Message format 0 has no timestamp. librdkafka gives 0 for it, Kafka's own clients -1.
  event.timestamp_ms = event.timestamp_type == TimestampType::kNone ? -1 : timestamp_ms;
  event.leader_epoch = LeaderEpochOf(message);
  event.key = BytesOf(message->key, message->key_len);
  event.value = BytesOf(message->payload, message->len);
  event.message = message;
}

void QueueReader::ReadFailure(Reading& reading, const rd_kafka_message_t& message,
                              ReadEvent& event) {
  // librdkafka would continue after what it could not read, and leave a gap.
  event.kind = ReadEvent::Kind::kFailed;
  const char* text = rd_kafka_message_errstr(&message);
  failures_.push_back(ErrorOf(message.err, text == nullptr ? "" : text,
                              {fmt::format("topic {}", Quote(reading.name)), "READ"}));
  event.failure = &failures_.back();
  End(reading, message.partition);
}

Result<std::span<const RecordHeader>> QueueReader::Headers(const ReadEvent& record) {
  HF_CHECK(record.message != nullptr);
  headers_.clear();
  rd_kafka_headers_t* found = nullptr;
  const auto code = rd_kafka_message_headers(record.message, &found);
  if (code == RD_KAFKA_RESP_ERR__NOENT) return headers_;
  if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
    return Fail(ErrorOf(code, "").While(fmt::format("headers of the record at {}", record.offset)));
  const char* name = nullptr;
  const void* value = nullptr;
  std::size_t size = 0;
  for (std::size_t i = 0;
       rd_kafka_header_get_all(found, i, &name, &value, &size) == RD_KAFKA_RESP_ERR_NO_ERROR; ++i)
    headers_.push_back({name, BytesOf(value, size)});
  return headers_;
}

}  // namespace

Result<std::unique_ptr<Reader>> Reader::Open(ClientOptions client, ReaderOptions options,
                                             LogObserver observer) {
  HF_ASSIGN(auto handle,
            Handle::Open(client, Role::kConsumer, ReaderSettings(options), std::move(observer)));
  return std::make_unique<QueueReader>(std::move(handle), options);
}

}  // namespace holdfast::rdkafka
