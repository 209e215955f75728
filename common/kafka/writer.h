// Records written into given partitions, each once and in order, even when an answer is lost: an
// idempotent producer that waits for all replicas in sync.
//
// Timestamps, keys, values and headers arrive as they are given, with one exception: a timestamp of
// 0 cannot be written, librdkafka makes it the present time. Brokers decide on offsets, which
// deliveries tell, and a topic may refuse old or young timestamps, or put its own in their place.
//
// Within a partition deliveries come in the order of writing. What a broker has against one record
// is the error of the whole batch that it was sent in: written again one by one, each gets its own.
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
  std::size_t buffer_bytes = 64U << 20;      // written and not delivered; Write() waits beyond
  std::size_t record_bytes_max = 1'048'588;  // brokers' default; a topic says max.message.bytes
  std::chrono::milliseconds linger{50};      // what a record may wait for others of its batch
  // How long nothing may be delivered before all that is pending fails, and all that comes later:
  // so what was written has no hole, whatever is given up.
  std::chrono::milliseconds delivery_limit{300'000};
  std::string compression = "none";  // gzip, snappy, lz4, zstd
};

struct NewRecord {
  std::string_view topic;
  std::int32_t partition = 0;
  std::int64_t timestamp_ms = -1;  // -1 is written as -1: "none"
  std::optional<ByteView> key = {};
  std::optional<ByteView> value = {};
  struct Header {
    std::string_view name;
    std::optional<ByteView> value;
  };
  std::span<const Header> headers = {};
  std::uint64_t tag = 0;
};

struct Delivery {
  std::uint64_t tag = 0;  // of the record
  std::string_view topic;
  std::int32_t partition = 0;
  // Where it is; nullopt when it failed, and when it was there already although its first answer
  // was lost, which brokers tell without the offset.
  std::optional<std::int64_t> offset;
  std::optional<Error> error;
  bool may_be_there = false;  // of an error: it may have been written all the same
};

class Writer {
 public:
  // Called within Write(), Flush() and Serve(), on their thread.
  using OnDelivery = std::function<void(const Delivery& delivery)>;
  // As Client::Open().
  static Result<std::unique_ptr<Writer>> Open(ClientOptions client, WriterOptions options,
                                              OnDelivery on_delivery, LogObserver observer = {});
  // Gives up what is not delivered, without a report; some of it may be written.
  virtual ~Writer() = default;

  // Copies the record. Waits while the buffer is full. Exactly one delivery follows unless it
  // fails: kUnsupported for timestamp 0, kInvalidArgument for a record that is too large, kNotFound
  // for a topic or partition that is not there, where this is known already. Once the cluster has
  // refused the producer itself, every call fails with its error.
  virtual Result<void> Write(const NewRecord& record, const std::stop_token& stop) = 0;
  // Waits until all that was written is delivered, or has failed.
  virtual Result<void> Flush(const std::stop_token& stop) = 0;
  // Hands deliveries on that are there, without waiting.
  virtual void Serve() = 0;
  // Written and not delivered.
  virtual std::size_t pending() const = 0;
};

}  // namespace holdfast::rdkafka
