// Writes, reads and prepares Kafka topics for tests, fast enough for many records. Input and output
// are JSON lines. Names of topics, groups and transactions are text; record content is base64 or
// null.
//
//   kafka_tool [-X PROPERTY=VALUE]... [-T SECONDS] [-G GROUP] COMMAND <LINES
//
// The properties are librdkafka's. Built with Debian's librdkafka, it also runs with a newer one in
// LD_LIBRARY_PATH. The commands and the fields of their lines, optional ones in brackets:
//
//   metadata    none. Prints the cluster's brokers and topics in one line.
//   create      topic, [partitions], [replicas] or assignment: [[1, 2], ...], [config]: {}
//   delete      topic
//   trim        topic, partition, offset. Deletes the records before offset; -1 is the end.
//   produce     topic, [partition], [key], [value], [headers]: [[name, value], ...], [timestamp],
//               [transaction]: a name. Or begin, commit or abort with such a name; a transaction
//               that is not ended stays open. At each of these, at "flush": true and at the end,
//               prints the outcome of each line so far, in order.
//   load        topic, records, bytes, [random], [seed], [keys], [partition], [timestamp]. Writes
//               that many records of that size, of which the share "random" is incompressible.
//               Equal lines give equal content. Timestamps are the current time, or start at the
//               given one and increase by 1 ms.
//   consume     topic, [digest], [from] and [end]: {PARTITION: OFFSET}, [offsets]. Prints one line
//               per record that is committed now, from `from` (inclusive) to `end` (exclusive).
//               With `digest`, one line per partition with the number of records and their SHA-256
//               (see Digest), which excludes offsets if `offsets` is false.
//   commit      topic, partition, offset, [metadata]. Commits them for the group.
//   committed   none. Prints the group's commits as such lines.
//
// On failure, prints the cluster's error to standard error and exits with 1.
#include <librdkafka/rdkafka.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <iostream>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/base/bytes.h"
#include "common/base/clock.h"
#include "common/base/format.h"
#include "common/base/result.h"
#include "common/crypto/sha256.h"
#include "tests/bench/content.h"
#include "tests/support/seeded_random.h"

namespace holdfast {
namespace {

using Json = nlohmann::json;

template <auto kDestroy>
struct By {
  template <typename T>
  void operator()(T* owned) const {
    kDestroy(owned);
  }
};
using Handle = std::unique_ptr<rd_kafka_t, By<rd_kafka_destroy>>;
using Topic = std::unique_ptr<rd_kafka_topic_t, By<rd_kafka_topic_destroy>>;
using Queue = std::unique_ptr<rd_kafka_queue_t, By<rd_kafka_queue_destroy>>;
using Event = std::unique_ptr<rd_kafka_event_t, By<rd_kafka_event_destroy>>;
using RdError = std::unique_ptr<rd_kafka_error_t, By<rd_kafka_error_destroy>>;
using Message = std::unique_ptr<rd_kafka_message_t, By<rd_kafka_message_destroy>>;
using Partitions =
    std::unique_ptr<rd_kafka_topic_partition_list_t, By<rd_kafka_topic_partition_list_destroy>>;
using NewTopic = std::unique_ptr<rd_kafka_NewTopic_t, By<rd_kafka_NewTopic_destroy>>;

using Properties = std::map<std::string, std::string>;

struct Options {
  Properties properties;
  int timeout_ms = 30'000;
  std::string group;
};

void Say(const Json& line) { std::cout << line.dump() << '\n'; }

// A client of the cluster. librdkafka reports login errors only as events, so the last one is kept
// and added to errors.
class Client {
 public:
  static Result<std::unique_ptr<Client>> Open(rd_kafka_type_t type, const Options& options,
                                              Properties properties) {
    auto client = std::make_unique<Client>();
    client->timeout_ms_ = options.timeout_ms;
    rd_kafka_conf_t* conf = rd_kafka_conf_new();
    properties.emplace("log_level", "3");  // errors only
    for (const auto& [name, value] : options.properties) properties[name] = value;
    std::array<char, 512> why{};
    for (const auto& [name, value] : properties) {
      if (rd_kafka_conf_set(conf, name.c_str(), value.c_str(), why.data(), why.size()) !=
          RD_KAFKA_CONF_OK) {
        rd_kafka_conf_destroy(conf);
        return Fail(ErrorCode::kInvalidArgument, why.data());
      }
    }
    rd_kafka_conf_set_opaque(conf, client.get());
    rd_kafka_conf_set_error_cb(conf, [](rd_kafka_t*, int code, const char* text, void* self) {
      static_cast<Client*>(self)->last_error_ =
          fmt::format("{}: {}", rd_kafka_err2name(static_cast<rd_kafka_resp_err_t>(code)), text);
    });
    if (type == RD_KAFKA_PRODUCER) rd_kafka_conf_set_dr_msg_cb(conf, OnDelivery);
    client->handle_.reset(rd_kafka_new(type, conf, why.data(), why.size()));
    if (!client->handle_) {
      rd_kafka_conf_destroy(conf);
      return Fail(ErrorCode::kInvalidArgument, why.data());
    }
    return client;
  }

  rd_kafka_t* get() const { return handle_.get(); }
  int timeout_ms() const { return timeout_ms_; }
  // Failed deliveries of records without an answer.
  std::uint64_t failures() const { return failures_; }

  std::unexpected<Error> Failed(rd_kafka_resp_err_t code, std::string_view text) {
    rd_kafka_poll(get(), 0);
    return Fail(ErrorCode::kUnavailable,
                fmt::format("{}: {}{}{}", rd_kafka_err2name(code), text,
                            last_error_.empty() ? "" : "; last error: ", last_error_));
  }
  std::unexpected<Error> Failed(rd_kafka_resp_err_t code) {
    return Failed(code, rd_kafka_err2str(code));
  }
  Result<void> Checked(rd_kafka_error_t* owned) {
    const RdError error(owned);
    if (!error) return {};
    return Failed(rd_kafka_error_code(error.get()), rd_kafka_error_string(error.get()));
  }

 private:
  static void OnDelivery(rd_kafka_t*, const rd_kafka_message_t* message, void* self) {
    if (message->_private == nullptr) {
      if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
        auto* client = static_cast<Client*>(self);
        ++client->failures_;
        client->last_error_ = rd_kafka_err2name(message->err);
      }
      return;
    }
    Json& answer = *static_cast<Json*>(message->_private);
    if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
      answer = {{"partition", message->partition}, {"offset", message->offset}};
    } else {
      answer = {{"error", rd_kafka_err2name(message->err)},
                {"text", rd_kafka_err2str(message->err)}};
    }
  }

  std::string last_error_;
  std::uint64_t failures_ = 0;
  int timeout_ms_ = 0;
  Handle handle_;
};

Result<std::unique_ptr<Client>> OpenProducer(const Options& options, Properties own = {}) {
  own.merge(Properties{{"topic.metadata.propagation.max.ms", "5000"},
                       {"reconnect.backoff.max.ms", "500"}});
  return Client::Open(RD_KAFKA_PRODUCER, options, std::move(own));
}

// Calls `handle` for each line of the input, until one fails.
Result<void> ForEachLine(const std::function<Result<void>(const Json&)>& handle) {
  for (std::string text; std::getline(std::cin, text);) {
    if (!text.empty()) HF_TRY(handle(Json::parse(text)));
  }
  return {};
}

Result<void> Metadata(const Options& options) {
  HF_ASSIGN(const auto client, OpenProducer(options));
  const rd_kafka_metadata_t* found = nullptr;
  if (const auto code =
          rd_kafka_metadata(client->get(), 1, nullptr, &found, client->timeout_ms())) {
    return client->Failed(code);
  }
  const std::unique_ptr<const rd_kafka_metadata_t, By<rd_kafka_metadata_destroy>> metadata(found);
  Json brokers = Json::object();
  for (int i = 0; i < metadata->broker_cnt; ++i) {
    const rd_kafka_metadata_broker& broker = metadata->brokers[i];
    brokers[std::to_string(broker.id)] = fmt::format("{}:{}", broker.host, broker.port);
  }
  Json topics = Json::object();
  for (int i = 0; i < metadata->topic_cnt; ++i) {
    const rd_kafka_metadata_topic& topic = metadata->topics[i];
    Json partitions = Json::object();
    for (int j = 0; j < topic.partition_cnt; ++j) {
      const rd_kafka_metadata_partition& partition = topic.partitions[j];
      partitions[std::to_string(partition.id)] = {
          {"leader", partition.leader},
          {"replicas",
           std::vector<int>(partition.replicas, partition.replicas + partition.replica_cnt)},
          {"isr", std::vector<int>(partition.isrs, partition.isrs + partition.isr_cnt)}};
    }
    topics[topic.topic] = std::move(partitions);
  }
  char* cluster = rd_kafka_clusterid(client->get(), client->timeout_ms());
  Say({{"cluster", cluster == nullptr ? "" : cluster},
       {"broker", metadata->orig_broker_id},
       {"librdkafka", rd_kafka_version_str()},
       {"brokers", std::move(brokers)},
       {"topics", std::move(topics)}});
  rd_kafka_mem_free(client->get(), cluster);
  return {};
}

// Sends a request with `ask`, which gets options and a queue, and returns the answer.
Result<Event> Ask(
    Client& client, rd_kafka_admin_op_t what,
    const std::function<void(const rd_kafka_AdminOptions_t*, rd_kafka_queue_t*)>& ask) {
  const Queue queue(rd_kafka_queue_new(client.get()));
  const std::unique_ptr<rd_kafka_AdminOptions_t, By<rd_kafka_AdminOptions_destroy>> options(
      rd_kafka_AdminOptions_new(client.get(), what));
  std::array<char, 512> why{};
  if (const auto code = rd_kafka_AdminOptions_set_request_timeout(
          options.get(), client.timeout_ms(), why.data(), why.size())) {
    return client.Failed(code, why.data());
  }
  ask(options.get(), queue.get());
  Event event(rd_kafka_queue_poll(queue.get(), -1));  // the request has a timeout
  if (const auto code = rd_kafka_event_error(event.get())) {
    return client.Failed(code, rd_kafka_event_error_string(event.get()));
  }
  return event;
}

Result<void> CheckTopics(Client& client, const rd_kafka_topic_result_t** results,
                         std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) {
    if (const auto code = rd_kafka_topic_result_error(results[i])) {
      const char* text = rd_kafka_topic_result_error_string(results[i]);
      return client.Failed(
          code, fmt::format("topic {}: {}", Quote(rd_kafka_topic_result_name(results[i])),
                            text == nullptr ? "" : text));
    }
  }
  return {};
}

Result<void> CheckPartitions(Client& client, const rd_kafka_topic_partition_list_t& list) {
  for (int i = 0; i < list.cnt; ++i) {
    const rd_kafka_topic_partition_t& at = list.elems[i];
    if (at.err != RD_KAFKA_RESP_ERR_NO_ERROR) {
      return client.Failed(at.err,
                           fmt::format("partition {} of {}", at.partition, Quote(at.topic)));
    }
  }
  return {};
}

Result<NewTopic> MakeNewTopic(Client& client, const Json& line) {
  std::array<char, 512> why{};
  const auto assignment = line.value("assignment", std::vector<std::vector<std::int32_t>>());
  const int partitions =
      assignment.empty() ? line.value("partitions", 1) : static_cast<int>(assignment.size());
  const int replicas = assignment.empty() ? line.value("replicas", 1) : -1;
  NewTopic topic(rd_kafka_NewTopic_new(line.at("topic").get_ref<const std::string&>().c_str(),
                                       partitions, replicas, why.data(), why.size()));
  if (!topic) return client.Failed(RD_KAFKA_RESP_ERR__INVALID_ARG, why.data());
  for (std::size_t i = 0; i < assignment.size(); ++i) {
    std::vector<std::int32_t> brokers = assignment[i];
    if (const auto code = rd_kafka_NewTopic_set_replica_assignment(
            topic.get(), static_cast<std::int32_t>(i), brokers.data(), brokers.size(), why.data(),
            why.size())) {
      return client.Failed(code, why.data());
    }
  }
  for (const auto& [name, value] : line.value("config", Properties())) {
    if (const auto code = rd_kafka_NewTopic_set_config(topic.get(), name.c_str(), value.c_str())) {
      return client.Failed(code, name);
    }
  }
  return topic;
}

Result<void> Create(const Options& options) {
  HF_ASSIGN(const auto client, OpenProducer(options));
  std::vector<NewTopic> topics;
  HF_TRY(ForEachLine([&](const Json& line) -> Result<void> {
    HF_ASSIGN(NewTopic topic, MakeNewTopic(*client, line));
    topics.push_back(std::move(topic));
    return {};
  }));
  std::vector<rd_kafka_NewTopic_t*> raw;
  for (const NewTopic& topic : topics) raw.push_back(topic.get());
  HF_ASSIGN(const Event event,
            Ask(*client, RD_KAFKA_ADMIN_OP_CREATETOPICS, [&](const auto* asked, auto* queue) {
              rd_kafka_CreateTopics(client->get(), raw.data(), raw.size(), asked, queue);
            }));
  std::size_t count = 0;
  const rd_kafka_topic_result_t** results =
      rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(event.get()), &count);
  return CheckTopics(*client, results, count);
}

Result<void> Delete(const Options& options) {
  HF_ASSIGN(const auto client, OpenProducer(options));
  using OldTopic = std::unique_ptr<rd_kafka_DeleteTopic_t, By<rd_kafka_DeleteTopic_destroy>>;
  std::vector<OldTopic> topics;
  HF_TRY(ForEachLine([&](const Json& line) -> Result<void> {
    topics.emplace_back(
        rd_kafka_DeleteTopic_new(line.at("topic").get_ref<const std::string&>().c_str()));
    return {};
  }));
  std::vector<rd_kafka_DeleteTopic_t*> raw;
  for (const OldTopic& topic : topics) raw.push_back(topic.get());
  HF_ASSIGN(const Event event,
            Ask(*client, RD_KAFKA_ADMIN_OP_DELETETOPICS, [&](const auto* asked, auto* queue) {
              rd_kafka_DeleteTopics(client->get(), raw.data(), raw.size(), asked, queue);
            }));
  std::size_t count = 0;
  const rd_kafka_topic_result_t** results =
      rd_kafka_DeleteTopics_result_topics(rd_kafka_event_DeleteTopics_result(event.get()), &count);
  return CheckTopics(*client, results, count);
}

// The partitions, offsets and commit metadata of the lines.
Result<Partitions> ReadPartitions() {
  Partitions list(rd_kafka_topic_partition_list_new(16));
  HF_TRY(ForEachLine([&](const Json& line) -> Result<void> {
    rd_kafka_topic_partition_t* at = rd_kafka_topic_partition_list_add(
        list.get(), line.at("topic").get_ref<const std::string&>().c_str(),
        line.at("partition").get<std::int32_t>());
    at->offset = line.at("offset").get<std::int64_t>();
    const std::string metadata = line.value("metadata", "");
    if (metadata.empty()) return {};
    // The list frees it with free().
    at->metadata = ::strdup(metadata.c_str());
    at->metadata_size = metadata.size();
    return {};
  }));
  return list;
}

Result<void> Trim(const Options& options) {
  HF_ASSIGN(const auto client, OpenProducer(options));
  HF_ASSIGN(const Partitions list, ReadPartitions());
  const std::unique_ptr<rd_kafka_DeleteRecords_t, By<rd_kafka_DeleteRecords_destroy>> wanted(
      rd_kafka_DeleteRecords_new(list.get()));
  HF_ASSIGN(const Event event,
            Ask(*client, RD_KAFKA_ADMIN_OP_DELETERECORDS, [&](const auto* asked, auto* queue) {
              rd_kafka_DeleteRecords_t* raw = wanted.get();
              rd_kafka_DeleteRecords(client->get(), &raw, 1, asked, queue);
            }));
  return CheckPartitions(*client, *rd_kafka_DeleteRecords_result_offsets(
                                      rd_kafka_event_DeleteRecords_result(event.get())));
}

// The result for the one requested group.
Result<const rd_kafka_topic_partition_list_t*> OffsetsOf(Client& client,
                                                         const rd_kafka_group_result_t** groups,
                                                         std::size_t count) {
  HF_CHECK(count == 1);
  if (const rd_kafka_error_t* error = rd_kafka_group_result_error(groups[0])) {
    return client.Failed(rd_kafka_error_code(error), rd_kafka_error_string(error));
  }
  const rd_kafka_topic_partition_list_t* list = rd_kafka_group_result_partitions(groups[0]);
  HF_TRY(CheckPartitions(client, *list));
  return list;
}

Result<void> Commit(const Options& options) {
  HF_ASSIGN(const auto client, OpenProducer(options));
  HF_ASSIGN(const Partitions list, ReadPartitions());
  const std::unique_ptr<rd_kafka_AlterConsumerGroupOffsets_t,
                        By<rd_kafka_AlterConsumerGroupOffsets_destroy>>
      wanted(rd_kafka_AlterConsumerGroupOffsets_new(options.group.c_str(), list.get()));
  HF_ASSIGN(const Event event, Ask(*client, RD_KAFKA_ADMIN_OP_ALTERCONSUMERGROUPOFFSETS,
                                   [&](const auto* asked, auto* queue) {
                                     rd_kafka_AlterConsumerGroupOffsets_t* raw = wanted.get();
                                     rd_kafka_AlterConsumerGroupOffsets(client->get(), &raw, 1,
                                                                        asked, queue);
                                   }));
  std::size_t count = 0;
  const rd_kafka_group_result_t** groups = rd_kafka_AlterConsumerGroupOffsets_result_groups(
      rd_kafka_event_AlterConsumerGroupOffsets_result(event.get()), &count);
  HF_TRY(OffsetsOf(*client, groups, count));
  return {};
}

Result<void> Committed(const Options& options) {
  HF_ASSIGN(const auto client, OpenProducer(options));
  const std::unique_ptr<rd_kafka_ListConsumerGroupOffsets_t,
                        By<rd_kafka_ListConsumerGroupOffsets_destroy>>
      wanted(rd_kafka_ListConsumerGroupOffsets_new(options.group.c_str(), nullptr));
  HF_ASSIGN(
      const Event event,
      Ask(*client, RD_KAFKA_ADMIN_OP_LISTCONSUMERGROUPOFFSETS, [&](const auto* asked, auto* queue) {
        rd_kafka_ListConsumerGroupOffsets_t* raw = wanted.get();
        rd_kafka_ListConsumerGroupOffsets(client->get(), &raw, 1, asked, queue);
      }));
  std::size_t count = 0;
  const rd_kafka_group_result_t** groups = rd_kafka_ListConsumerGroupOffsets_result_groups(
      rd_kafka_event_ListConsumerGroupOffsets_result(event.get()), &count);
  HF_ASSIGN(const rd_kafka_topic_partition_list_t* list, OffsetsOf(*client, groups, count));
  for (int i = 0; i < list->cnt; ++i) {
    const rd_kafka_topic_partition_t& at = list->elems[i];
    const std::string metadata(static_cast<const char*>(at.metadata), at.metadata_size);
    Say({{"topic", at.topic},
         {"partition", at.partition},
         {"offset", at.offset},
         {"metadata", metadata}});
  }
  return {};
}

// A field's bytes; nullopt if it is null.
Result<std::optional<Bytes>> ReadField(const Json& field) {
  if (field.is_null()) return std::nullopt;
  HF_ASSIGN(Bytes bytes, Base64Decode(field.get_ref<const std::string&>()));
  return bytes;
}

struct Outgoing {
  const char* topic = nullptr;
  std::int32_t partition = RD_KAFKA_PARTITION_UA;
  std::optional<Bytes> key;
  std::optional<Bytes> value;
  std::vector<std::pair<Bytes, std::optional<Bytes>>> headers;
  std::int64_t timestamp = 0;  // librdkafka treats 0 as the current time
  Json* answer = nullptr;      // receives the outcome
};

// librdkafka uses the pointer to distinguish null from empty.
const void* PointerTo(const std::optional<Bytes>& field) {
  if (!field) return nullptr;
  return field->empty() ? static_cast<const void*>("") : field->data();
}

// Passes a copy of the record to librdkafka. Waits while the queue is full.
Result<void> Send(Client& client, const Outgoing& record) {
  while (true) {
    std::vector<rd_kafka_vu_t> parts(7);
    parts[0].vtype = RD_KAFKA_VTYPE_TOPIC;
    parts[0].u.cstr = record.topic;
    parts[1].vtype = RD_KAFKA_VTYPE_PARTITION;
    parts[1].u.i32 = record.partition;
    parts[2].vtype = RD_KAFKA_VTYPE_MSGFLAGS;
    parts[2].u.i = RD_KAFKA_MSG_F_COPY;
    parts[3].vtype = RD_KAFKA_VTYPE_KEY;
    parts[3].u.mem = {const_cast<void*>(PointerTo(record.key)),
                      record.key ? record.key->size() : 0};
    parts[4].vtype = RD_KAFKA_VTYPE_VALUE;
    parts[4].u.mem = {const_cast<void*>(PointerTo(record.value)),
                      record.value ? record.value->size() : 0};
    parts[5].vtype = RD_KAFKA_VTYPE_TIMESTAMP;
    parts[5].u.i64 = record.timestamp;
    parts[6].vtype = RD_KAFKA_VTYPE_OPAQUE;
    parts[6].u.ptr = record.answer;
    std::unique_ptr<rd_kafka_headers_t, By<rd_kafka_headers_destroy>> headers;
    if (!record.headers.empty()) {
      headers.reset(rd_kafka_headers_new(record.headers.size()));
      for (const auto& [name, value] : record.headers) {
        rd_kafka_header_add(headers.get(), reinterpret_cast<const char*>(name.data()),
                            static_cast<ssize_t>(name.size()), PointerTo(value),
                            value ? static_cast<ssize_t>(value->size()) : 0);
      }
      parts.emplace_back();
      parts.back().vtype = RD_KAFKA_VTYPE_HEADERS;
      parts.back().u.headers = headers.get();
    }
    const RdError error(rd_kafka_produceva(client.get(), parts.data(), parts.size()));
    if (!error) {
      (void)headers.release();  // owned by librdkafka now
      rd_kafka_poll(client.get(), 0);
      return {};
    }
    const auto code = rd_kafka_error_code(error.get());
    if (code != RD_KAFKA_RESP_ERR__QUEUE_FULL) {
      return client.Failed(code, rd_kafka_error_string(error.get()));
    }
    rd_kafka_poll(client.get(), 100);
  }
}

class Producing {
 public:
  explicit Producing(const Options& options) : options_(options) {}

  Result<void> Handle(const Json& line) {
    Json& answer = answers_.emplace_back();
    Result<void> done = Do(line, answer);
    if (!done) answer = {{"error", done.error().message()}};
    if (line.contains("topic")) return {};
    return PrintAnswers();
  }

  // Waits until all records are delivered or have failed, and prints the outcomes.
  Result<void> PrintAnswers() {
    for (const auto& [id, client] : clients_) {
      if (const auto code = rd_kafka_flush(client->get(), -1)) return client->Failed(code);
    }
    for (const Json& answer : answers_) Say(answer);
    answers_.clear();
    std::cout.flush();
    return {};
  }

 private:
  Result<void> Do(const Json& line, Json& answer) {
    if (line.contains("topic")) return Produce(line, answer);
    answer = Json::object();
    if (line.contains("begin")) {
      HF_ASSIGN(Client * client, ClientOf(line.at("begin").get<std::string>()));
      return client->Checked(rd_kafka_begin_transaction(client->get()));
    }
    if (line.contains("commit")) {
      HF_ASSIGN(Client * client, ClientOf(line.at("commit").get<std::string>()));
      return client->Checked(rd_kafka_commit_transaction(client->get(), client->timeout_ms()));
    }
    if (line.contains("abort")) {
      HF_ASSIGN(Client * client, ClientOf(line.at("abort").get<std::string>()));
      return client->Checked(rd_kafka_abort_transaction(client->get(), client->timeout_ms()));
    }
    if (line.contains("flush")) return {};
    return Fail(ErrorCode::kInvalidArgument,
                "a line of produce has a topic, or is begin, commit, abort or flush");
  }

  Result<void> Produce(const Json& line, Json& answer) {
    HF_ASSIGN(Client * client, ClientOf(line.value("transaction", "")));
    Outgoing record;
    record.answer = &answer;
    record.topic = line.at("topic").get_ref<const std::string&>().c_str();
    record.partition = line.value("partition", RD_KAFKA_PARTITION_UA);
    HF_ASSIGN(record.key, ReadField(line.value("key", Json())));
    HF_ASSIGN(record.value, ReadField(line.value("value", Json())));
    for (const Json& header : line.value("headers", Json::array())) {
      HF_ASSIGN(Bytes name, Base64Decode(header.at(0).get_ref<const std::string&>()));
      HF_ASSIGN(std::optional<Bytes> value, ReadField(header.at(1)));
      record.headers.emplace_back(std::move(name), std::move(value));
    }
    if (const Json timestamp = line.value("timestamp", Json()); !timestamp.is_null()) {
      record.timestamp = timestamp.get<std::int64_t>();
      if (record.timestamp == 0)
        return Fail(ErrorCode::kInvalidArgument,
                    "librdkafka takes a timestamp of 0 for the present");
    }
    return Send(*client, record);
  }

  // The producer with this transactional id; "": the one without.
  Result<Client*> ClientOf(const std::string& id) {
    auto found = clients_.find(id);
    if (found == clients_.end()) {
      Properties own;
      // The brokers' maximum, because open transactions must stay open.
      if (!id.empty()) own = {{"transactional.id", id}, {"transaction.timeout.ms", "900000"}};
      HF_ASSIGN(auto client, OpenProducer(options_, own));
      if (!id.empty())
        HF_TRY(client->Checked(rd_kafka_init_transactions(client->get(), client->timeout_ms())));
      found = clients_.emplace(id, std::move(client)).first;
    }
    return found->second.get();
  }

  const Options& options_;
  std::deque<Json> answers_;  // librdkafka has pointers to them
  std::map<std::string, std::unique_ptr<Client>> clients_;
};

Result<void> Produce(const Options& options) {
  Producing producing(options);
  HF_TRY(ForEachLine([&](const Json& line) { return producing.Handle(line); }));
  return producing.PrintAnswers();
}

Result<std::vector<std::int32_t>> PartitionsOf(Client& client, rd_kafka_topic_t* topic) {
  const rd_kafka_metadata_t* found = nullptr;
  if (const auto code = rd_kafka_metadata(client.get(), 0, topic, &found, client.timeout_ms())) {
    return client.Failed(code);
  }
  const std::unique_ptr<const rd_kafka_metadata_t, By<rd_kafka_metadata_destroy>> metadata(found);
  HF_CHECK(metadata->topic_cnt == 1);
  const rd_kafka_metadata_topic& its = metadata->topics[0];
  if (its.err != RD_KAFKA_RESP_ERR_NO_ERROR) return client.Failed(its.err);
  std::vector<std::int32_t> partitions;
  for (int i = 0; i < its.partition_cnt; ++i) partitions.push_back(its.partitions[i].id);
  std::ranges::sort(partitions);
  return partitions;
}

Result<void> LoadOne(Client& client, const Json& line) {
  const std::string name = line.at("topic").get<std::string>();
  const Topic topic(rd_kafka_topic_new(client.get(), name.c_str(), nullptr));
  HF_ASSIGN(std::vector<std::int32_t> partitions, PartitionsOf(client, topic.get()));
  if (const int only = line.value("partition", -1); only >= 0) partitions = {only};
  const auto records = line.at("records").get<std::uint64_t>();
  const auto bytes = line.at("bytes").get<std::size_t>();
  const auto keys = line.value("keys", std::uint64_t{0});
  const auto timestamp = line.value("timestamp", std::int64_t{0});
  const auto random_bytes =
      static_cast<std::size_t>(line.value("random", 0.5) * static_cast<double>(bytes));
  testing::SeededRandom random(line.value("seed", std::uint64_t{1}));
  std::string content;
  for (std::uint64_t i = 0; i < records; ++i) {
    content.clear();
    bench::AppendRandom(random, random_bytes, content);
    bench::AppendLog(random, bytes - random_bytes, content);
    Outgoing record;
    record.topic = name.c_str();
    record.partition = partitions[i % partitions.size()];
    if (keys > 0) record.key = ToBytes(fmt::format("key-{:08}", random.Next64() % keys));
    record.value = ToBytes(content);
    if (timestamp != 0) record.timestamp = timestamp + static_cast<std::int64_t>(i);
    HF_TRY(Send(client, record));
  }
  if (const auto code = rd_kafka_flush(client.get(), -1)) return client.Failed(code);
  if (client.failures() > 0) {
    return client.Failed(RD_KAFKA_RESP_ERR__FAIL,
                         fmt::format("{} records were not taken", client.failures()));
  }
  return {};
}

Result<void> Load(const Options& options) {
  HF_ASSIGN(const auto client,
            OpenProducer(options, {{"linger.ms", "50"}, {"batch.size", "1000000"}}));
  return ForEachLine([&](const Json& line) { return LoadOne(*client, line); });
}

struct Incoming {
  const rd_kafka_message_t* message = nullptr;
  std::int64_t timestamp = -1;
  rd_kafka_timestamp_type_t type = RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
  std::vector<std::pair<std::string_view, std::optional<ByteView>>> headers;

  std::optional<ByteView> key() const { return View(message->key, message->key_len); }
  std::optional<ByteView> value() const { return View(message->payload, message->len); }
  static std::optional<ByteView> View(const void* data, std::size_t size) {
    if (data == nullptr) return std::nullopt;
    return ByteView(static_cast<const std::uint8_t*>(data), size);
  }
};

Incoming Read(const rd_kafka_message_t* message) {
  Incoming record{.message = message, .headers = {}};
  record.timestamp = rd_kafka_message_timestamp(message, &record.type);
  rd_kafka_headers_t* headers = nullptr;
  if (rd_kafka_message_headers(message, &headers) == RD_KAFKA_RESP_ERR_NO_ERROR) {
    const char* name = nullptr;
    const void* value = nullptr;
    std::size_t size = 0;
    for (std::size_t i = 0;
         rd_kafka_header_get_all(headers, i, &name, &value, &size) == RD_KAFKA_RESP_ERR_NO_ERROR;
         ++i) {
      record.headers.emplace_back(name, Incoming::View(value, size));
    }
  }
  return record;
}

// SHA-256 over the records in order. Each has offset (optional), timestamp (8 bytes each; all
// numbers are big-endian), timestamp type (1 byte; 1: the producer's, 2: the log's), key, value,
// number of headers (4 bytes), and name and value of each. Byte strings are preceded by their size
// (4 bytes, all ones for null).
class Digest {
 public:
  void Add(const Incoming& record, bool with_offset) {
    buffer_.clear();
    if (with_offset) Put(static_cast<std::uint64_t>(record.message->offset), 8);
    Put(static_cast<std::uint64_t>(record.timestamp), 8);
    Put(static_cast<std::uint64_t>(record.type), 1);
    Put(record.key());
    Put(record.value());
    Put(record.headers.size(), 4);
    for (const auto& [name, value] : record.headers) {
      Put(AsBytes(name));
      Put(value);
    }
    sha256_.Update(buffer_);
  }
  std::string Finish() { return HexEncode(sha256_.Finish()); }

 private:
  void Put(std::uint64_t number, int bytes) {
    for (int i = bytes - 1; i >= 0; --i)
      buffer_.push_back(static_cast<std::uint8_t>(number >> (8 * i)));
  }
  void Put(std::optional<ByteView> field) {
    Put(field ? field->size() : 0xffff'ffff, 4);
    if (field) buffer_.insert(buffer_.end(), field->begin(), field->end());
  }
  crypto::Sha256 sha256_;
  Bytes buffer_;
};

// A line of "consume".
struct Wanted {
  std::string topic;
  bool only_digest = false;
  bool with_offsets = true;
  std::map<std::string, std::int64_t> from;  // by partition
  std::map<std::string, std::int64_t> end;
};

Json Field(std::optional<ByteView> field) { return field ? Json(Base64Encode(*field)) : Json(); }

class Partition {
 public:
  Partition(std::string topic, std::int32_t number, std::int64_t end)
      : topic_(std::move(topic)), number_(number), end_(end) {}

  bool is_done() const { return is_done_; }
  void Finish() { is_done_ = true; }
  std::int64_t end() const { return end_; }

  void Take(const Incoming& record, const Wanted& wanted) {
    if (count_++ == 0) first_ = record.message->offset;
    last_ = record.message->offset;
    if (wanted.only_digest) return digest_.Add(record, wanted.with_offsets);
    Json headers = Json::array();
    for (const auto& [name, value] : record.headers) {
      headers.push_back({Base64Encode(AsBytes(name)), Field(value)});
    }
    Say({{"topic", topic_},
         {"partition", number_},
         {"offset", record.message->offset},
         {"timestamp", record.timestamp},
         {"type", record.type == RD_KAFKA_TIMESTAMP_LOG_APPEND_TIME ? "append" : "create"},
         {"key", Field(record.key())},
         {"value", Field(record.value())},
         {"headers", std::move(headers)}});
  }

  void SayDigest() {
    Say({{"topic", topic_},
         {"partition", number_},
         {"count", count_},
         {"first", first_},
         {"last", last_},
         {"sha256", digest_.Finish()}});
  }

 private:
  std::string topic_;
  std::int32_t number_;
  std::int64_t end_;
  bool is_done_ = false;
  std::uint64_t count_ = 0;
  std::int64_t first_ = -1;
  std::int64_t last_ = -1;
  Digest digest_;
};

struct Range {
  std::int64_t low = 0;
  std::int64_t end = 0;
};

// The range from the first record to the end of the committed ones. A new leader does not know its
// end until the other replicas have fetched from it.
Result<Range> RangeOf(Client& client, const SystemClock& clock, const std::string& topic,
                      std::int32_t partition) {
  const Instant deadline = clock.Monotonic() + std::chrono::milliseconds(client.timeout_ms());
  while (true) {
    Range range;
    const auto code = rd_kafka_query_watermark_offsets(client.get(), topic.c_str(), partition,
                                                       &range.low, &range.end, client.timeout_ms());
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR) return range;
    const bool may_pass = code == RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE ||
                          code == RD_KAFKA_RESP_ERR_OFFSET_NOT_AVAILABLE ||
                          code == RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION;
    if (!may_pass || clock.Monotonic() > deadline) {
      return client.Failed(code,
                           fmt::format("the ends of partition {} of {}", partition, Quote(topic)));
    }
    rd_kafka_poll(client.get(), 100);
  }
}

// Consumes everything that the topic's partitions have at the start. Needs neither a group nor
// rights to one.
Result<void> ConsumeTopic(Client& client, const Wanted& wanted) {
  const std::string& name = wanted.topic;
  const Topic topic(rd_kafka_topic_new(client.get(), name.c_str(), nullptr));
  HF_ASSIGN(const std::vector<std::int32_t> numbers, PartitionsOf(client, topic.get()));
  const SystemClock clock;
  const Queue queue(rd_kafka_queue_new(client.get()));
  std::map<std::int32_t, Partition> partitions;
  std::size_t left = 0;
  for (const std::int32_t number : numbers) {
    HF_ASSIGN(Range range, RangeOf(client, clock, name, number));
    const std::string key = std::to_string(number);
    if (const auto from = wanted.from.find(key); from != wanted.from.end())
      range.low = std::max(range.low, from->second);
    if (const auto end = wanted.end.find(key); end != wanted.end.end())
      range.end = std::min(range.end, end->second);
    Partition& partition =
        partitions.emplace(number, Partition(name, number, range.end)).first->second;
    if (range.low >= range.end) {
      partition.Finish();
      continue;
    }
    if (rd_kafka_consume_start_queue(topic.get(), number, range.low, queue.get()) != 0)
      return client.Failed(rd_kafka_last_error());
    ++left;
  }
  std::vector<rd_kafka_message_t*> batch(1000);
  const auto patience = std::chrono::milliseconds(client.timeout_ms());
  Instant last_answer = clock.Monotonic();
  while (left > 0) {
    // Waits for a full batch, but not long, because the last one is never full.
    const ssize_t count = rd_kafka_consume_batch_queue(queue.get(), 20, batch.data(), batch.size());
    if (count < 0) return client.Failed(rd_kafka_last_error());
    if (count > 0) last_answer = clock.Monotonic();
    if (clock.Monotonic() - last_answer > patience) {
      return client.Failed(RD_KAFKA_RESP_ERR__TIMED_OUT,
                           fmt::format("{} partitions of {} stand still", left, Quote(name)));
    }
    std::vector<Message> messages(batch.begin(), batch.begin() + count);
    for (const Message& message : messages) {
      Partition& partition = partitions.at(message->partition);
      if (partition.is_done()) continue;
      if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR &&
          message->err != RD_KAFKA_RESP_ERR__PARTITION_EOF) {
        return client.Failed(message->err, rd_kafka_message_errstr(message.get()));
      }
      // The end may be after the last record, if that is followed by a transaction marker.
      if (message->offset >= partition.end()) {
        partition.Finish();
        rd_kafka_consume_stop(topic.get(), message->partition);
        --left;
      } else if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
        partition.Take(Read(message.get()), wanted);
      }
    }
  }
  if (wanted.only_digest) {
    for (auto& [number, partition] : partitions) partition.SayDigest();
  }
  return {};
}

Result<void> Consume(const Options& options) {
  HF_ASSIGN(const auto client,
            Client::Open(RD_KAFKA_CONSUMER, options,
                         {{"enable.partition.eof", "true"},
                          {"auto.offset.reset", "error"},
                          {"isolation.level", "read_committed"},
                          {"fetch.wait.max.ms", "10"},
                          {"reconnect.backoff.max.ms", "500"},
                          // A full queue is refilled only when something wakes it up.
                          {"topic.metadata.refresh.interval.ms", "50"}}));
  return ForEachLine([&](const Json& line) {
    using Offsets = std::map<std::string, std::int64_t>;
    return ConsumeTopic(*client, {.topic = line.at("topic").get<std::string>(),
                                  .only_digest = line.value("digest", false),
                                  .with_offsets = line.value("offsets", true),
                                  .from = line.value("from", Offsets()),
                                  .end = line.value("end", Offsets())});
  });
}

Result<void> Main(const std::vector<std::string>& arguments) {
  static const std::map<std::string, Result<void> (*)(const Options&)> kCommands = {
      {"metadata", Metadata}, {"create", Create},   {"delete", Delete},
      {"trim", Trim},         {"produce", Produce}, {"load", Load},
      {"consume", Consume},   {"commit", Commit},   {"committed", Committed}};
  const auto wrong =
      Fail(ErrorCode::kInvalidArgument,
           "usage: kafka_tool [-X PROPERTY=VALUE]... [-T SECONDS] [-G GROUP] COMMAND",
           "the top of kafka_tool.cc says which commands there are");
  Options options;
  std::size_t at = 0;
  for (; at + 1 < arguments.size(); at += 2) {
    const std::string& value = arguments[at + 1];
    if (arguments[at] == "-X" && value.contains('=')) {
      options.properties[value.substr(0, value.find('='))] = value.substr(value.find('=') + 1);
    } else if (arguments[at] == "-T") {
      int seconds = 0;
      std::from_chars(value.data(), value.data() + value.size(), seconds);
      options.timeout_ms = seconds * 1000;
    } else if (arguments[at] == "-G") {
      options.group = value;
    } else {
      return wrong;
    }
  }
  if (at == arguments.size()) return wrong;
  const auto command = kCommands.find(arguments[at]);
  if (command == kCommands.end()) return wrong;
  return command->second(options);
}

}  // namespace
}  // namespace holdfast

int main(int argc, char** argv) {
  std::ios::sync_with_stdio(false);
  const auto outcome = holdfast::Main({argv + 1, argv + argc});
  std::cout.flush();
  if (outcome) return 0;
  std::cerr << outcome.error().Text() << "\n";
  return 1;
}
