// Writes records to given partitions, each once and in order, even if a response is lost: an
// idempotent producer that waits for all in-sync replicas.
//
// Timestamps, keys, values and headers are written as given, with one exception: a timestamp of 0
// cannot be written, because librdkafka replaces it with the current time. Brokers assign the
// offsets, which deliveries report. A topic may refuse timestamps that are too old or too new, or
// replace them with its own.
//
// Deliveries of a partition arrive in the order of writing. If a broker refuses one record, the
// whole batch fails with its error. Written one by one, each record gets its own error.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>

#include "common/base/bytes.h"
#include "common/base/result.h"
#include "common/kafka/client.h"

namespace holdfast::rdkafka {

struct WriterOptions {
  std::size_t buffer_bytes = 64U << 20;      // not yet delivered; Write() waits beyond this
  std::size_t record_bytes_max = 1'048'588;  // brokers' default; max.message.bytes of a topic
  std::chrono::milliseconds linger{50};      // how long a record may wait for its batch
  // If nothing is delivered for this long, everything pending fails, and so does everything written
  // later. So the records that were written have no gap.
  std::chrono::milliseconds delivery_limit{300'000};
  std::string compression = "none";  // gzip, snappy, lz4, zstd
};

struct NewRecord {
  std::string_view topic;
  std::int32_t partition = 0;
  std::int64_t timestamp_ms = -1;  // -1 is written as -1: "none"
  std::optional<ByteView> key;
  std::optional<ByteView> value;
  struct Header {
    std::string_view name;
    std::optional<ByteView> value;
  };
  std::span<const Header> headers;
  std::uint64_t tag = 0;
};

struct Delivery {
  std::uint64_t tag = 0;  // the record's tag
  std::string_view topic;
  std::int32_t partition = 0;
  // nullopt if it failed, or if it had been written although the first response was lost: brokers
  // report such a duplicate without its offset.
  std::optional<std::int64_t> offset;
  std::optional<Error> error;
};

class Writer {
 public:
  // Called inside Write(), Flush() and Serve(), on their thread.
  using OnDelivery = std::function<void(const Delivery& delivery)>;
  // As Client::Open().
  static Result<std::unique_ptr<Writer>> Open(ClientOptions client, WriterOptions options,
                                              OnDelivery on_delivery, LogObserver observer = {});
  // Drops undelivered records without a report; some may have been written.
  virtual ~Writer() = default;

  // Copies the record. Waits while the buffer is full. Exactly one delivery follows unless this
  // fails: kUnsupported for timestamp 0, kInvalidArgument for a record that is too large, kNotFound
  // for a topic or partition that is already known not to exist. Once the cluster has refused the
  // producer itself, every call fails with that error.
  virtual Result<void> Write(const NewRecord& record, const std::stop_token& stop) = 0;
  // Waits until all records are delivered or have failed.
  virtual Result<void> Flush(const std::stop_token& stop) = 0;
  // Reports deliveries that have arrived, without waiting.
  virtual void Serve() = 0;
  // Records written but not delivered.
  virtual std::size_t pending() const = 0;
};

}  // namespace holdfast::rdkafka
