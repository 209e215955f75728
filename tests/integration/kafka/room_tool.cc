// Calls common/kafka, for test_client.py. Reads one JSON line per call, {"do": NAME, ...}, and
// answers each with one line: {"result": ...} or {"error": {...}}. It has one client, one reader
// and one writer, each opened at its first use.
//
//   kafka_room_tool OPTIONS <LINES
//
// OPTIONS are JSON: bootstrap, [properties], [time_limit_ms], [ahead_bytes], [batch_records]. The
// table of calls below lists their arguments, with the names of the room's headers. Keys, values
// and headers are base64, or null.
#include <nlohmann/json.hpp>

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
#include "common/base/result.h"
#include "common/kafka/acls.h"
#include "common/kafka/capabilities.h"
#include "common/kafka/client.h"
#include "common/kafka/cluster.h"
#include "common/kafka/configs.h"
#include "common/kafka/groups.h"
#include "common/kafka/reader.h"
#include "common/kafka/topics.h"
#include "common/kafka/users.h"
#include "common/kafka/writer.h"

namespace holdfast::rdkafka {

using Json = nlohmann::json;

// Not in an anonymous namespace: SayAll() finds them by argument-dependent lookup.

Json Say(const Error& error) {
  return {
      {"code", ErrorCodeName(error.code())}, {"message", error.message()}, {"hint", error.hint()}};
}

Json Say(const std::optional<Error>& error) { return error ? Say(*error) : Json(); }

template <typename T>
Json SayAll(const std::vector<T>& elements) {
  Json all = Json::array();
  for (const T& element : elements) all.push_back(Say(element));
  return all;
}

Json Say(std::optional<ByteView> bytes) { return bytes ? Json(Base64Encode(*bytes)) : Json(); }

Json Say(const Partition& partition) {
  return {{"id", partition.id},
          {"leader", partition.leader},
          {"replicas", partition.replicas},
          {"in_sync", partition.in_sync},
          {"error", Say(partition.error)}};
}

Json Say(const Topic& topic) {
  return {
      {"name", topic.name}, {"partitions", SayAll(topic.partitions)}, {"error", Say(topic.error)}};
}

Json Say(const Broker& broker) {
  return {{"id", broker.id}, {"host", broker.host}, {"port", broker.port}};
}

Json Say(const Cluster& cluster) {
  return {{"id", cluster.id},
          {"answering_broker", cluster.answering_broker},
          {"brokers", SayAll(cluster.brokers)},
          {"topics", SayAll(cluster.topics)}};
}

Json Say(const Bounds& bounds) {
  if (bounds.error) return {{"error", Say(bounds.error)}};
  return {{"low", bounds.low}, {"last_stable", bounds.last_stable}, {"high", bounds.high}};
}

Json Say(const ConfigEntry& entry) {
  return {{"name", entry.name},
          {"value", entry.value ? Json(*entry.value) : Json()},
          {"source", static_cast<int>(entry.source)},
          {"sensitive", entry.is_sensitive}};
}

Json Say(const OwnerConfigs& configs) {
  return {{"entries", SayAll(configs.entries)}, {"error", Say(configs.error)}};
}

Json Say(const AclBinding& binding) {
  return {binding.resource_type, binding.resource_name, binding.pattern_type, binding.principal,
          binding.host,          binding.operation,     binding.permission};
}

Json Say(const ScramCredential& credential) {
  return {credential.mechanism, credential.iterations};
}

Json Say(const ScramUser& user) {
  return {
      {"name", user.name}, {"credentials", SayAll(user.credentials)}, {"error", Say(user.error)}};
}

Json Say(const Group& group) {
  return {{"id", group.id}, {"state", group.state}, {"type", group.type}};
}

Json Say(const GroupOffsets& group) {
  Json offsets = Json::array();
  for (const GroupOffset& entry : group.offsets)
    offsets.push_back(
        {entry.partition.topic, entry.partition.partition, entry.offset, entry.metadata});
  return {{"offsets", std::move(offsets)}, {"error", Say(group.error)}};
}

Json Say(const Delivery& delivery) {
  return {{"tag", delivery.tag},
          {"offset", delivery.offset ? Json(*delivery.offset) : Json()},
          {"error", Say(delivery.error)}};
}

namespace {

TopicPartition PartitionOf(const Json& entry) {
  return {entry.at(0).get<std::string>(), entry.at(1).get<std::int32_t>()};
}

std::vector<TopicPartition> PartitionsOf(const Json& list) {
  std::vector<TopicPartition> partitions;
  for (const Json& entry : list) partitions.push_back(PartitionOf(entry));
  return partitions;
}

ConfigOwner OwnerOf(const Json& owner) {
  static const std::map<std::string, ConfigScope> kScopes = {{"topic", ConfigScope::kTopic},
                                                             {"broker", ConfigScope::kBroker},
                                                             {"group", ConfigScope::kGroup}};
  return {kScopes.at(owner.at(0).get<std::string>()), owner.at(1).get<std::string>()};
}

// The key or value of a record, or a part of a header.
class Field {
 public:
  explicit Field(const Json& text) {
    if (!text.is_null()) bytes_ = *Base64Decode(text.get_ref<const std::string&>());
  }
  std::optional<ByteView> view() const {
    return bytes_ ? std::optional<ByteView>(*bytes_) : std::nullopt;
  }

 private:
  std::optional<Bytes> bytes_;
};

class Room {
 public:
  explicit Room(const Json& options)
      : options_{.bootstrap = options.at("bootstrap"),
                 .properties = options.value("properties", Properties()),
                 .time_limit = std::chrono::milliseconds(options.value("time_limit_ms", 60'000))},
        reader_options_{.ahead_bytes = options.value("ahead_bytes", ReaderOptions().ahead_bytes),
                        .batch_records_max =
                            options.value("batch_records", ReaderOptions().batch_records_max)} {}

  Json Do(const Json& line) {
    const auto done = calls_.at(line.at("do").get<std::string>())(line);
    return done ? Json{{"result", *done}} : Json{{"error", Say(done.error())}};
  }

 private:
  using Call = std::function<Result<Json>(const Json& line)>;

  Result<Client*> ClientOf() {
    if (!client_) {
      HF_ASSIGN(client_, Client::Open(options_));
    }
    return client_.get();
  }
  Result<Reader*> ReaderOf() {
    if (!reader_) {
      HF_ASSIGN(reader_, Reader::Open(options_, reader_options_));
    }
    return reader_.get();
  }
  Result<Writer*> WriterOf() {
    if (!writer_) {
      HF_ASSIGN(writer_, Writer::Open(options_, {}, [this](const Delivery& delivery) {
                  deliveries_.push_back(Say(delivery));
                }));
    }
    return writer_.get();
  }

  template <typename Ask>
  static Call OfCluster(Room* room, Ask ask) {
    return [room, ask](const Json& line) -> Result<Json> {
      HF_ASSIGN(Client * client, room->ClientOf());
      HF_ASSIGN(const auto answer, ask(*client, line));
      if constexpr (requires { Say(answer); }) {
        return Say(answer);
      } else {
        return SayAll(answer);
      }
    };
  }

  Result<Json> Next(const Json& line);
  Result<Json> Write(const Json& line);
  Json Deliveries() { return std::exchange(deliveries_, Json::array()); }

  const ClientOptions options_;
  const ReaderOptions reader_options_;
  std::unique_ptr<Client> client_;
  std::unique_ptr<Reader> reader_;
  std::unique_ptr<Writer> writer_;
  Json deliveries_ = Json::array();

  const std::map<std::string, Call> calls_ = {
      {"capabilities",
       [](const Json&) -> Result<Json> {
         const Capabilities library = LibraryCapabilities();
         return Json{{"version", library.version},
                     {"scram_users", library.scram_users},
                     {"topic_ids", library.topic_ids},
                     {"transactional_id_acls", library.transactional_id_acls},
                     {"kafka4_scram_login", library.kafka4_scram_login}};
       }},

      {"cluster", OfCluster(this, [](Client& c, const Json&) { return DescribeCluster(c, {}); })},
      {"topic_ids",  // topics
       [this](const Json& line) -> Result<Json> {
         HF_ASSIGN(Client * client, ClientOf());
         const std::vector<std::string> topics = line.at("topics");
         HF_ASSIGN(const auto ids, ListTopicIds(*client, topics, {}));
         return Json(ids);
       }},
      {"bounds",  // partitions: [[topic, number], ...]
       OfCluster(this,
                 [](Client& c, const Json& line) {
                   return ListBounds(c, PartitionsOf(line.at("partitions")), {});
                 })},

      {"configs",  // owners: [[scope, name], ...]
       OfCluster(this,
                 [](Client& c, const Json& line) {
                   std::vector<ConfigOwner> owners;
                   for (const Json& owner : line.at("owners")) owners.push_back(OwnerOf(owner));
                   return DescribeConfigs(c, owners, {});
                 })},
      {"replace_configs",  // owner, entries
       OfCluster(this,
                 [](Client& c, const Json& line) {
                   ConfigSet set{OwnerOf(line.at("owner")), {}};
                   for (const auto& [name, value] : line.at("entries").items())
                     set.entries.emplace_back(name, value);
                   return ReplaceConfigs(c, {{set}}, {});
                 })},

      {"create_topic",  // topic, [partitions], [copies], [replicas], [configs], [pretend]
       OfCluster(this,
                 [](Client& c, const Json& line) {
                   NewTopic topic{.name = line.at("topic"),
                                  .partitions = line.value("partitions", -1),
                                  .replication_factor = line.value("copies", -1)};
                   topic.replicas = line.value("replicas", topic.replicas);
                   const Json configs = line.value("configs", Json::object());
                   for (const auto& [name, value] : configs.items())
                     topic.configs.emplace_back(name, value);
                   return CreateTopics(c, {{topic}},
                                       line.value("pretend", false) ? Effect::kNone : Effect::kReal,
                                       {});
                 })},
      {"delete_topics",  // topics
       OfCluster(this,
                 [](Client& c, const Json& line) {
                   return DeleteTopics(c, line.at("topics").get<std::vector<std::string>>(), {});
                 })},

      {"acls", OfCluster(this, [](Client& c, const Json&) { return DescribeAcls(c, {}); })},
      {"create_acls",  // bindings, each in the order of AclBinding
       OfCluster(this,
                 [](Client& c, const Json& line) {
                   std::vector<AclBinding> bindings;
                   for (const Json& entry : line.at("bindings"))
                     bindings.push_back(
                         {entry[0], entry[1], entry[2], entry[3], entry[4], entry[5], entry[6]});
                   return CreateAcls(c, bindings, {});
                 })},
      {"scram_users",
       OfCluster(this, [](Client& c, const Json&) { return DescribeScramUsers(c, {}); })},

      {"groups",
       [this](const Json&) -> Result<Json> {
         HF_ASSIGN(Client * client, ClientOf());
         HF_ASSIGN(const GroupList list, ListGroups(*client, {}));
         return Json{{"groups", SayAll(list.groups)}, {"errors", SayAll(list.errors)}};
       }},
      {"group_offsets",  // groups
       OfCluster(this,
                 [](Client& c, const Json& line) {
                   return ListGroupOffsets(c, line.at("groups").get<std::vector<std::string>>(),
                                           {});
                 })},
      {"alter_group_offsets",  // group, offsets: [[topic, number, offset, metadata], ...]
       OfCluster(this,
                 [](Client& c, const Json& line) {
                   std::vector<GroupOffset> offsets;
                   for (const Json& entry : line.at("offsets"))
                     offsets.push_back({.partition = {entry[0], entry[1]},
                                        .offset = entry[2],
                                        .metadata = entry[3]});
                   return AlterGroupOffsets(c, line.at("group"), offsets, {});
                 })},

      {"start",  // partition, offset, tag
       [this](const Json& line) -> Result<Json> {
         HF_ASSIGN(Reader * reader, ReaderOf());
         HF_TRY(
             reader->Start(PartitionOf(line.at("partition")), line.at("offset"), line.at("tag")));
         return Json();
       }},
      {"stop",  // partition
       [this](const Json& line) -> Result<Json> {
         HF_ASSIGN(Reader * reader, ReaderOf());
         reader->Stop(PartitionOf(line.at("partition")));
         return Json();
       }},
      {"next", [this](const Json& line) { return Next(line); }},    // [limit_ms]
      {"write", [this](const Json& line) { return Write(line); }},  // records: deliveries so far
      {"flush",                                                     // the remaining deliveries
       [this](const Json&) -> Result<Json> {
         HF_ASSIGN(Writer * writer, WriterOf());
         HF_TRY(writer->Flush({}));
         return Deliveries();
       }},
  };
};

Result<Json> Room::Next(const Json& line) {
  static constexpr std::string_view kKinds[] = {"record", "end", "failed"};
  static constexpr std::string_view kTypes[] = {"none", "create", "append"};
  HF_ASSIGN(Reader * reader, ReaderOf());
  HF_ASSIGN(const auto events,
            reader->Next(std::chrono::milliseconds(line.value("limit_ms", 60'000)), {}));
  Json output = Json::array();
  for (const ReadEvent& event : events) {
    Json& entry = output.emplace_back(Json{{"kind", kKinds[static_cast<int>(event.kind)]},
                                           {"tag", event.tag},
                                           {"offset", event.offset}});
    if (event.failure != nullptr) entry["error"] = Say(*event.failure);
    if (event.kind != ReadEvent::Kind::kRecord) continue;
    entry["timestamp"] = event.timestamp_ms;
    entry["type"] = kTypes[static_cast<int>(event.timestamp_type)];
    entry["leader_epoch"] = event.leader_epoch;
    entry["key"] = Say(event.key);
    entry["value"] = Say(event.value);
    HF_ASSIGN(const auto headers, reader->Headers(event));
    Json& named = entry["headers"] = Json::array();
    for (const RecordHeader& header : headers)
      named.push_back({Base64Encode(AsBytes(header.name)), Say(header.value)});
  }
  return output;
}

// Stops at the first record that is refused.
Result<Json> Room::Write(const Json& line) {
  HF_ASSIGN(Writer * writer, WriterOf());
  for (const Json& record : line.at("records")) {
    const Field key(record.at("key"));
    const Field value(record.at("value"));
    std::vector<std::pair<std::string, Field>> fields;
    for (const Json& header : record.at("headers"))
      fields.emplace_back(AsText(*Field(header[0]).view()), Field(header[1]));
    std::vector<NewRecord::Header> headers;
    for (const auto& [name, field] : fields) headers.push_back({name, field.view()});
    HF_TRY(writer->Write({.topic = record.at("topic").get_ref<const std::string&>(),
                          .partition = record.at("partition"),
                          .timestamp_ms = record.at("timestamp"),
                          .key = key.view(),
                          .value = value.view(),
                          .headers = headers,
                          .tag = record.at("tag")},
                         {}));
  }
  return Deliveries();
}

}  // namespace
}  // namespace holdfast::rdkafka

int main(int argc, char** argv) {
  using holdfast::rdkafka::Json;
  if (argc != 2) return 2;
  holdfast::rdkafka::Room room(Json::parse(argv[1]));
  for (std::string line; std::getline(std::cin, line);)
    std::cout << room.Do(Json::parse(line)).dump() << std::endl;
}
