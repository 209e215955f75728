// Owns librdkafka's objects and waits for its calls. For this room only.
#pragma once

#include <librdkafka/rdkafka.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/base/clock.h"
#include "common/base/deleter.h"
#include "common/base/result.h"
#include "common/kafka/client_options.h"
#include "common/kafka/errors.h"
#include "common/kafka/topic_partition.h"

namespace holdfast::rdkafka {

// How long a call that cannot be interrupted may take to notice a stop request, or librdkafka's
// events.
inline constexpr std::chrono::milliseconds kSlice{200};

using EventPtr = std::unique_ptr<rd_kafka_event_t, Deleter<rd_kafka_event_destroy>>;
using QueuePtr = std::unique_ptr<rd_kafka_queue_t, Deleter<rd_kafka_queue_destroy>>;
using TopicPtr = std::unique_ptr<rd_kafka_topic_t, Deleter<rd_kafka_topic_destroy>>;
using PartitionListPtr = std::unique_ptr<rd_kafka_topic_partition_list_t,
                                         Deleter<rd_kafka_topic_partition_list_destroy>>;

PartitionListPtr ListOf(std::span<const TopicPartition> partitions);

enum class Role : std::uint8_t { kConsumer, kProducer };

// A property that this room sets, with librdkafka's name.
struct Setting {
  const char* name;
  std::string value;
  bool if_known = false;  // skip it if librdkafka does not know it
};
using Settings = std::vector<Setting>;

// One rd_kafka_t. All of librdkafka's events arrive in its main queue, which Serve() empties; there
// are no callbacks. One thread at a time.
class Handle {
 public:
  // Use Open().
  Handle(rd_kafka_t* kafka, const ClientOptions& options, LogObserver observer);
  static Result<std::unique_ptr<Handle>> Open(const ClientOptions& options, Role role,
                                              const Settings& settings, LogObserver observer);
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;
  // REQUIRES: all queues, topics and messages of this handle were released.
  ~Handle();

  rd_kafka_t* get() const { return kafka_; }
  rd_kafka_queue_t* main_queue() const { return main_.get(); }
  std::chrono::milliseconds time_limit() const { return time_limit_; }

  // Handles all pending events. Waits up to `wait` for the first one.
  void Serve(std::chrono::milliseconds wait = {});
  // For a producer: receives each delivery report, inside Serve().
  using Deliver = std::function<void(const rd_kafka_message_t& message)>;
  void set_deliver(Deliver deliver) { deliver_ = std::move(deliver); }

  // The Error of a call that failed with `code`; it names the cluster. If the cluster did not
  // answer, it includes the cause that librdkafka reported. Failure() handles pending events first.
  Error Explain(int code, std::string_view text = {}, const Right& right = {}) const;
  Error Failure(int code, std::string_view text = {}, const Right& right = {}) {
    Serve();
    return Explain(code, text, right);
  }
  Error Cancelled() const;
  // The error that ended the producer, e.g. because it may not write at all.
  std::optional<Error> Fatal(const Right& right = {}) const;

  // Starts a call. An earlier cause counts only until a newer one is reported.
  void BeginCall() { is_cause_new_ = false; }
  // The cluster answered: forgets the cause.
  void Answered() { cause_.reset(); }
  // A cause that waiting does not fix was reported since BeginCall().
  bool MustGiveUp() const;

  // Calls `call` with a timeout in milliseconds until it is answered, the time limit has passed, or
  // a stop is requested. Calls that cannot be interrupted are split into slices. These start short,
  // and grow if the cluster is slow rather than absent.
  using Call = std::function<rd_kafka_resp_err_t(int timeout_ms)>;
  Result<void> Repeat(const Call& call, const std::stop_token& stop);

  // Sends requests 0 to count - 1 with `send`, a few at a time, and passes the answers to `take` in
  // any order. An answer may be an error, see Check(). Fails if the cluster is not reached, if
  // stopped, or if `take` fails.
  using Send = std::function<void(std::size_t index, rd_kafka_AdminOptions_t* options,
                                  rd_kafka_queue_t* queue)>;
  using Take = std::function<Result<void>(std::size_t index, EventPtr answer)>;
  Result<void> AskEach(rd_kafka_admin_op_t operation, std::size_t count, const Send& send,
                       const Take& take, const std::stop_token& stop);
  // Sends one request and returns its answer. An answer that is an error fails the call.
  using SendOne = std::function<void(rd_kafka_AdminOptions_t* options, rd_kafka_queue_t* queue)>;
  Result<EventPtr> Ask(rd_kafka_admin_op_t operation, const Right& right,
                       const std::stop_token& stop, const SendOne& send);
  Result<void> Check(rd_kafka_event_t* event, const Right& right = {});

 private:
  struct Cause {
    rd_kafka_resp_err_t code;
    std::string text;
  };
  void TakeEvent(rd_kafka_event_t* event);
  // After a broker was given up: other brokers may be at the bootstrap addresses.
  void AddBootstrap();
  void Remember(rd_kafka_resp_err_t code, std::string text);

  rd_kafka_t* kafka_;
  QueuePtr main_;
  const std::string name_;       // "kafka at \"host:9092\""
  const std::string bootstrap_;  // comma-separated
  const std::chrono::milliseconds time_limit_;
  const LogObserver observer_;
  Deliver deliver_;
  SystemClock clock_;
  std::optional<Cause> cause_;
  bool is_cause_new_ = false;
};

// The error of an element of an answer; nullopt for NO_ERROR.
std::optional<Error> ElementError(rd_kafka_resp_err_t code, const char* text = nullptr,
                                  const Right& right = {});
std::optional<Error> ElementError(const rd_kafka_error_t* error, const Right& right = {});

// kUnsupported: "librdkafka 2.0.2 cannot <what>", with the first release that can.
std::unexpected<Error> Unsupported(std::string_view what, std::string_view since);

// An array of pointers for librdkafka. Owns the objects.
template <typename T, auto Destroy>
class ObjectArray {
 public:
  ObjectArray() = default;
  ObjectArray(const ObjectArray&) = delete;
  ObjectArray& operator=(const ObjectArray&) = delete;
  ~ObjectArray() {
    for (T* object : objects_) Destroy(object);
  }
  void Add(T* object) { objects_.push_back(object); }
  T** data() { return objects_.data(); }
  std::size_t size() const { return objects_.size(); }

 private:
  std::vector<T*> objects_;
};

}  // namespace holdfast::rdkafka
