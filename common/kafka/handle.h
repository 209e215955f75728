// librdkafka's own objects, and the two ways to wait for it; for this room only.
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
#include "common/base/result.h"
#include "common/kafka/client.h"
#include "common/kafka/errors.h"

namespace holdfast::rdkafka {

// How soon a stop is noticed while a call is under way that nothing can interrupt, and what is told
// beside a call.
inline constexpr std::chrono::milliseconds kSlice{200};

template <auto Destroy>
struct Deleter {
  template <typename T>
  void operator()(T* object) const {
    Destroy(object);
  }
};
using EventPtr = std::unique_ptr<rd_kafka_event_t, Deleter<rd_kafka_event_destroy>>;
using QueuePtr = std::unique_ptr<rd_kafka_queue_t, Deleter<rd_kafka_queue_destroy>>;
using TopicPtr = std::unique_ptr<rd_kafka_topic_t, Deleter<rd_kafka_topic_destroy>>;
using PartitionListPtr = std::unique_ptr<rd_kafka_topic_partition_list_t,
                                         Deleter<rd_kafka_topic_partition_list_destroy>>;

PartitionListPtr ListOf(std::span<const TopicPartition> partitions);

enum class Role : std::uint8_t { kConsumer, kProducer };

// What the room itself sets, by librdkafka's names.
struct Setting {
  const char* name;
  std::string value;
  bool if_known = false;  // a librdkafka that does not know it does without
};
using Settings = std::vector<Setting>;

// Whether the librdkafka that is loaded knows the property.
bool IsKnownProperty(const std::string& name);

// One rd_kafka_t. Everything that librdkafka tells beside its calls comes through its main queue,
// which Serve() empties: there is no callback. One thread at a time.
class Handle {
 public:
  // For Open().
  Handle(rd_kafka_t* kafka, const ClientOptions& options, LogObserver observer);
  static Result<std::unique_ptr<Handle>> Open(const ClientOptions& options, Role role,
                                              const Settings& settings, LogObserver observer);
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;
  // Whoever has queues, topics or messages of it has given them back.
  ~Handle();

  rd_kafka_t* get() const { return kafka_; }
  rd_kafka_queue_t* main_queue() const { return main_.get(); }
  std::chrono::milliseconds time_limit() const { return time_limit_; }

  // Takes what was told until now, waiting up to `wait` for the first of it.
  void Serve(std::chrono::milliseconds wait = {});
  // Of a producer: gets each delivery report, within Serve().
  using Deliver = std::function<void(const rd_kafka_message_t& message)>;
  void set_deliver(Deliver deliver) { deliver_ = std::move(deliver); }

  // The Error of a call that failed with `code`, which names the cluster; where that only means
  // that nobody answered, with what librdkafka has told about it. Failure() takes what was told
  // first.
  Error Explain(int code, std::string_view text = {}, const Right& right = {}) const;
  Error Failure(int code, std::string_view text = {}, const Right& right = {}) {
    Serve();
    return Explain(code, text, right);
  }
  Error Cancelled() const;
  // The producer is finished, e.g. because it may not write at all.
  std::optional<Error> Fatal(const Right& right = {}) const;

  // A call begins: what was told before it is the cause only where nothing newer is told.
  void BeginCall() { is_cause_new_ = false; }
  // The cluster answered.
  void Answered() { cause_.reset(); }
  // Since BeginCall() something was told that no waiting helps.
  bool MustGiveUp() const;

  // Calls `call` with a time limit of it in milliseconds until it is answered, the time limit has
  // passed or `stop` asks: calls that cannot be interrupted are cut into slices. They start short,
  // and grow when the cluster is slow rather than absent.
  using Call = std::function<rd_kafka_resp_err_t(int timeout_ms)>;
  Result<void> Repeat(const Call& call, const std::stop_token& stop, const Right& right = {});

  // Sends requests 0 to count - 1 by `send`, a few at a time, and hands the answers on in any
  // order. An answer may be an error, see Check(). The Result is that of the whole: cluster not
  // reached, stopped, or what `take` returned.
  using Send = std::function<void(std::size_t index, rd_kafka_AdminOptions_t* options,
                                  rd_kafka_queue_t* queue)>;
  using Take = std::function<Result<void>(std::size_t index, EventPtr answer)>;
  Result<void> AskEach(rd_kafka_admin_op_t operation, std::size_t count, const Send& send,
                       const Take& take, const std::stop_token& stop);
  // One request, whose answer is no error.
  using SendOne = std::function<void(rd_kafka_AdminOptions_t* options, rd_kafka_queue_t* queue)>;
  Result<EventPtr> Ask(rd_kafka_admin_op_t operation, const SendOne& send,
                       const std::stop_token& stop, const Right& right = {});
  Result<void> Check(rd_kafka_event_t* event, const Right& right = {});

 private:
  struct Cause {
    rd_kafka_resp_err_t code;
    std::string text;
  };
  void TakeEvent(rd_kafka_event_t* event);
  // A broker was given up: there may be others where the first was found.
  void AddBootstrap();
  void Remember(rd_kafka_resp_err_t code, std::string text);

  rd_kafka_t* kafka_;
  QueuePtr main_;
  const std::string name_;       // "kafka at \"host:9092\""
  const std::string bootstrap_;  // as librdkafka takes it
  const std::chrono::milliseconds time_limit_;
  const LogObserver observer_;
  Deliver deliver_;
  SystemClock clock_;
  std::optional<Cause> cause_;
  bool is_cause_new_ = false;
};

// nullopt for NO_ERROR: how elements of an answer fail.
std::optional<Error> ElementError(rd_kafka_resp_err_t code, const char* text = nullptr,
                                  const Right& right = {});
std::optional<Error> ElementError(const rd_kafka_error_t* error, const Right& right = {});

// kUnsupported: "librdkafka 2.0.2 cannot <what>", with the first release that can.
std::unexpected<Error> Unsupported(std::string_view what, std::string_view since);

// librdkafka's functions take arrays of pointers to objects that they have made.
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
