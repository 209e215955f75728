#include "common/kafka/writer.h"

#include <algorithm>
#include <array>
#include <map>
#include <utility>

#include "common/base/format.h"
#include "common/kafka/handle.h"

namespace holdfast::rdkafka {
namespace {

using HeadersPtr = std::unique_ptr<rd_kafka_headers_t, Deleter<rd_kafka_headers_destroy>>;

constexpr std::size_t kBatchBytes = 1'000'000;
constexpr std::size_t kFrameBytes = 64U << 10;  // of a request besides its records

const Right kRight{"the topics that are written", "WRITE"};
constexpr std::size_t kRecordBytes = 256;  // librdkafka's overhead per record, roughly

Settings WriterSettings(const WriterOptions& options) {
  // librdkafka counts only values. The writer also counts keys and headers, so this limit is never
  // reached.
  const std::size_t buffer_bytes = 2 * options.buffer_bytes + options.record_bytes_max;
  return {
      {"enable.idempotence", "true"},  // also sets retries and their order
      {"acks", "all"},
      {"queue.buffering.max.kbytes", std::to_string(buffer_bytes / 1024 + 1)},
      {"queue.buffering.max.messages", "10000000"},
      {"batch.size", std::to_string(kBatchBytes)},
      {"batch.num.messages", "100000"},
      {"linger.ms", std::to_string(options.linger.count())},
      {"message.max.bytes",
       std::to_string(std::max(kBatchBytes, options.record_bytes_max) + kFrameBytes)},
      // Records after one that timed out would still be sent, and leave a gap. So WaitForOne()
      // gives up all of them at once.
      {"message.timeout.ms", "0"},
      {"compression.codec", options.compression},
  };
}

std::size_t SizeOf(std::optional<ByteView> bytes) { return bytes ? bytes->size() : 0; }

// Null stays null; empty is a valid pointer. librdkafka copies and does not write.
void* PointerTo(std::optional<ByteView> bytes) {
  static constexpr std::uint8_t kEmpty = 0;
  if (!bytes) return nullptr;
  return const_cast<std::uint8_t*>(bytes->empty() ? &kEmpty : bytes->data());
}

// The bytes of the buffer that a record takes: the same when written and when delivered.
std::size_t BytesOf(const NewRecord& record) {
  std::size_t bytes = kRecordBytes + SizeOf(record.key) + SizeOf(record.value);
  for (const NewRecord::Header& header : record.headers)
    bytes += header.name.size() + SizeOf(header.value);
  return bytes;
}

std::size_t BytesOf(const rd_kafka_message_t& message) {
  std::size_t bytes = kRecordBytes + message.key_len + message.len;
  rd_kafka_headers_t* headers = nullptr;
  if (rd_kafka_message_headers(&message, &headers) != RD_KAFKA_RESP_ERR_NO_ERROR) return bytes;
  const char* name = nullptr;
  const void* value = nullptr;
  std::size_t size = 0;
  for (std::size_t i = 0;
       rd_kafka_header_get_all(headers, i, &name, &value, &size) == RD_KAFKA_RESP_ERR_NO_ERROR; ++i)
    bytes += std::string_view(name).size() + size;
  return bytes;
}

HeadersPtr MakeHeaders(std::span<const NewRecord::Header> headers) {
  if (headers.empty()) return nullptr;
  HeadersPtr made(rd_kafka_headers_new(headers.size()));
  for (const auto& [name, value] : headers) {
    HF_CHECK(rd_kafka_header_add(made.get(), name.data(), static_cast<ssize_t>(name.size()),
                                 PointerTo(value), static_cast<ssize_t>(SizeOf(value))) ==
             RD_KAFKA_RESP_ERR_NO_ERROR);
  }
  return made;
}

class QueueWriter final : public Writer {
 public:
  QueueWriter(std::unique_ptr<Handle> handle, const WriterOptions& options, OnDelivery on_delivery)
      : handle_(std::move(handle)),
        buffer_bytes_(options.buffer_bytes),
        delivery_limit_(options.delivery_limit),
        on_delivery_(std::move(on_delivery)) {
    handle_->set_deliver([this](const rd_kafka_message_t& message) { Deliver(message); });
  }
  ~QueueWriter() override;

  Result<void> Write(const NewRecord& record, const std::stop_token& stop) override;
  Result<void> Flush(const std::stop_token& stop) override;
  void Serve() override { handle_->Serve(); }
  std::size_t pending() const override { return pending_; }

 private:
  Result<rd_kafka_topic_t*> TopicOf(std::string_view name);
  rd_kafka_resp_err_t Produce(rd_kafka_topic_t* topic, const NewRecord& record);
  void Deliver(const rd_kafka_message_t& message);
  Error FailureOf(const rd_kafka_message_t& message, std::string_view topic) const;
  Result<void> WaitForOne(const std::stop_token& stop);
  void GiveUp();

  std::unique_ptr<Handle> handle_;
  const std::size_t buffer_bytes_;
  const std::chrono::milliseconds delivery_limit_;
  OnDelivery on_delivery_;
  std::map<std::string, TopicPtr, std::less<>> topics_;
  std::size_t pending_ = 0;
  std::size_t pending_bytes_ = 0;
  bool was_answered_ = false;
  SystemClock clock_;
  Instant last_progress_{};  // a delivery, or the first record after nothing was pending
  bool is_given_up_ = false;
};

QueueWriter::~QueueWriter() {
  handle_->set_deliver({});
  (void)rd_kafka_purge(handle_->get(), RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT |
                                           RD_KAFKA_PURGE_F_NON_BLOCKING);
  handle_->Serve();
  topics_.clear();
}

Result<rd_kafka_topic_t*> QueueWriter::TopicOf(std::string_view name) {
  const auto found = topics_.find(name);
  if (found != topics_.end()) return found->second.get();
  const std::string text(name);
  TopicPtr topic(rd_kafka_topic_new(handle_->get(), text.c_str(), nullptr));
  if (!topic)
    return Fail(ErrorOf(rd_kafka_last_error(), "").While(fmt::format("topic {}", Quote(name))));
  return topics_.emplace(text, std::move(topic)).first->second.get();
}

rd_kafka_resp_err_t QueueWriter::Produce(rd_kafka_topic_t* topic, const NewRecord& record) {
  HeadersPtr headers = MakeHeaders(record.headers);
  std::array<rd_kafka_vu_t, 8> parts{};
  std::size_t count = 0;
  const auto add = [&](rd_kafka_vtype_t type) -> rd_kafka_vu_t& {
    parts[count].vtype = type;
    return parts[count++];
  };
  add(RD_KAFKA_VTYPE_RKT).u.rkt = topic;
  add(RD_KAFKA_VTYPE_PARTITION).u.i32 = record.partition;
  add(RD_KAFKA_VTYPE_TIMESTAMP).u.i64 = record.timestamp_ms;
  add(RD_KAFKA_VTYPE_KEY).u.mem = {PointerTo(record.key), SizeOf(record.key)};
  add(RD_KAFKA_VTYPE_VALUE).u.mem = {PointerTo(record.value), SizeOf(record.value)};
  add(RD_KAFKA_VTYPE_OPAQUE).u.ptr = reinterpret_cast<void*>(record.tag);
  add(RD_KAFKA_VTYPE_MSGFLAGS).u.i = RD_KAFKA_MSG_F_COPY;
  if (headers) add(RD_KAFKA_VTYPE_HEADERS).u.headers = headers.get();
  rd_kafka_error_t* error = rd_kafka_produceva(handle_->get(), parts.data(), count);
  if (error == nullptr) {
    (void)headers.release();  // owned by the message now
    return RD_KAFKA_RESP_ERR_NO_ERROR;
  }
  const auto code = rd_kafka_error_code(error);
  rd_kafka_error_destroy(error);
  return code;
}

Result<void> QueueWriter::Write(const NewRecord& record, const std::stop_token& stop) {
  const auto where = [&] {
    return fmt::format("write to partition {} of topic {}", record.partition, Quote(record.topic));
  };
  if (record.timestamp_ms == 0) {
    return Fail(ErrorCode::kUnsupported,
                where() + ": a timestamp of 0 would become the present time");
  }
  if (is_given_up_) return Fail(handle_->Explain(RD_KAFKA_RESP_ERR__MSG_TIMED_OUT).While(where()));
  HF_ASSIGN(rd_kafka_topic_t * topic, TopicOf(record.topic));
  const std::size_t bytes = BytesOf(record);
  while (pending_ > 0 && pending_bytes_ + bytes > buffer_bytes_) HF_TRY(WaitForOne(stop));
  for (;;) {
    const auto code = Produce(topic, record);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR) break;
    if (code != RD_KAFKA_RESP_ERR__QUEUE_FULL || pending_ == 0) {
      if (auto fatal = handle_->Fatal(kRight)) return Fail(*std::move(fatal));
      return Fail(handle_->Explain(code).While(where()));
    }
    HF_TRY(WaitForOne(stop));
  }
  if (pending_++ == 0) last_progress_ = clock_.Monotonic();
  pending_bytes_ += bytes;
  handle_->Serve();
  return {};
}

Result<void> QueueWriter::Flush(const std::stop_token& stop) {
  while (pending_ > 0) HF_TRY(WaitForOne(stop));
  return {};
}

// Each record ends by being delivered, or by failing.
Result<void> QueueWriter::WaitForOne(const std::stop_token& stop) {
  std::stop_callback wake(stop, [this] { rd_kafka_queue_yield(handle_->main_queue()); });
  const std::size_t before = pending_;
  while (pending_ == before) {
    if (stop.stop_requested()) return Fail(handle_->Cancelled());
    handle_->Serve(kSlice);
    if (!was_answered_ && handle_->MustGiveUp())
      return Fail(handle_->Explain(RD_KAFKA_RESP_ERR__TIMED_OUT));
    if (pending_ == before && clock_.Monotonic() - last_progress_ >= delivery_limit_) GiveUp();
  }
  return {};
}

void QueueWriter::GiveUp() {
  is_given_up_ = true;
  (void)rd_kafka_purge(handle_->get(), RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
}

Error QueueWriter::FailureOf(const rd_kafka_message_t& message, std::string_view topic) const {
  // Before librdkafka 2.2, the message's error text is its value.
  auto code = message.err;
  const bool is_purged =
      code == RD_KAFKA_RESP_ERR__PURGE_QUEUE || code == RD_KAFKA_RESP_ERR__PURGE_INFLIGHT;
  if (is_given_up_ && is_purged) code = RD_KAFKA_RESP_ERR__MSG_TIMED_OUT;
  if (code == RD_KAFKA_RESP_ERR__PURGE_QUEUE || code == RD_KAFKA_RESP_ERR__FATAL)
    if (auto fatal = handle_->Fatal(kRight)) return *std::move(fatal);
  return handle_->Explain(code, {}, {fmt::format("topic {}", Quote(topic)), "WRITE"});
}

void QueueWriter::Deliver(const rd_kafka_message_t& message) {
  HF_CHECK(pending_ > 0);
  --pending_;
  pending_bytes_ -= std::min(pending_bytes_, BytesOf(message));
  if (pending_ == 0) pending_bytes_ = 0;
  Delivery delivery;
  delivery.tag = reinterpret_cast<std::uint64_t>(message._private);
  delivery.topic = rd_kafka_topic_name(message.rkt);
  delivery.partition = message.partition;
  if (message.err == RD_KAFKA_RESP_ERR_NO_ERROR) {
    was_answered_ = true;
    last_progress_ = clock_.Monotonic();
    handle_->Answered();
    if (message.offset >= 0) delivery.offset = message.offset;
  } else {
    delivery.error = FailureOf(message, delivery.topic);
  }
  if (on_delivery_) on_delivery_(delivery);
}

}  // namespace

Result<std::unique_ptr<Writer>> Writer::Open(ClientOptions client, WriterOptions options,
                                             OnDelivery on_delivery, LogObserver observer) {
  HF_ASSIGN(auto handle,
            Handle::Open(client, Role::kProducer, WriterSettings(options), std::move(observer)));
  return std::make_unique<QueueWriter>(std::move(handle), options, std::move(on_delivery));
}

}  // namespace holdfast::rdkafka
