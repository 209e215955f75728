#include "agent/sources/kafka/documents.h"

#include <algorithm>
#include <limits>

#include "agent/sources/kafka/segment_writer.h"
#include "common/base/bytes.h"
#include "common/base/format.h"
#include "common/base/json.h"
#include "common/base/utf8.h"

namespace holdfast::kafka {
namespace {

using Json = nlohmann::ordered_json;
using rdkafka::AclBinding;

constexpr std::int64_t kFormatVersion = 1;
constexpr std::size_t kNameBytesMax = 200;  // leaves room for ".json" in a file name of 255 bytes

bool IsPlain(char c) {
  return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '-' ||
         c == '_' || c == '.';
}

// JSON cannot represent a text that is not UTF-8, so it is written as {"base64": "..."}.
Json TextJson(const std::string& text) {
  if (IsUtf8(text)) return text;
  return {{"base64", Base64Encode(AsBytes(text))}};
}

std::unexpected<Error> Malformed(std::string_view why) {
  return Fail(ErrorCode::kCorrupt, fmt::format("malformed: {}", why));
}

Result<std::string> TextOf(const Json& json) {
  if (json.is_string()) return json.get<std::string>();
  HF_ASSIGN(const Bytes bytes, Base64Decode(json.at("base64").get<std::string>()));
  return std::string(AsText(bytes));
}

// The library would silently convert numbers that T cannot represent.
template <typename T>
Result<T> NumberOf(const Json& object, const char* name) {
  const Json& json = object.at(name);
  if (json.is_number_unsigned()) {
    const auto number = json.get<std::uint64_t>();
    if (number <= static_cast<std::uint64_t>(std::numeric_limits<T>::max()))
      return static_cast<T>(number);
  } else if (json.is_number_integer() && std::is_signed_v<T>) {
    const auto number = json.get<std::int64_t>();
    if (number >= static_cast<std::int64_t>(std::numeric_limits<T>::min()) &&
        number <= static_cast<std::int64_t>(std::numeric_limits<T>::max()))
      return static_cast<T>(number);
  }
  return Malformed(fmt::format("{} is not a valid number", Quote(name)));
}

Json ConfigsJson(const Configs& configs) {
  Json json = Json::object();
  for (const auto& [name, value] : configs) json[name] = TextJson(value);
  return json;
}

Result<Configs> ConfigsOf(const Json& json) {
  Configs configs;
  for (const auto& [name, value] : json.items()) {
    HF_ASSIGN(configs[name], TextOf(value));
  }
  return configs;
}

Json Versioned() { return {{"format_version", kFormatVersion}}; }

std::string Dump(const Json& json) { return DumpJson(json, 1) + "\n"; }

// Parses, checks the version, and turns the library's exceptions into errors.
template <typename T>
Result<T> Decode(std::string_view text, Result<T> (*read)(const Json&)) {
  const Json json = ParseOrderedJson(text);
  if (!json.is_object()) return Malformed("it is not a JSON object");
  try {
    HF_ASSIGN(const auto version, NumberOf<std::int64_t>(json, "format_version"));
    if (version < 1) return Malformed("its format_version is invalid");
    if (version > kFormatVersion) {
      return Fail(
          ErrorCode::kUnsupported,
          fmt::format("it has format {}, but this program supports {}", version, kFormatVersion),
          "use a newer Holdfast");
    }
    return read(json);
  } catch (const Json::exception& error) {
    return Malformed(error.what());
  }
}

Json RunJson(const RecordRun& run) {
  return {{"first_offset", run.first_offset},
          {"last_offset", run.last_offset},
          {"records", run.records},
          {"content_bytes", run.content_bytes},
          {"min_timestamp", run.min_timestamp},
          {"max_timestamp", run.max_timestamp},
          {"gaps", run.gaps},
          {"xxh128", HexEncode(run.digest)}};
}

Result<RecordRun> RunOf(const Json& json) {
  RecordRun run;
  HF_ASSIGN(run.first_offset, NumberOf<std::int64_t>(json, "first_offset"));
  HF_ASSIGN(run.last_offset, NumberOf<std::int64_t>(json, "last_offset"));
  HF_ASSIGN(run.records, NumberOf<std::uint64_t>(json, "records"));
  HF_ASSIGN(run.content_bytes, NumberOf<std::uint64_t>(json, "content_bytes"));
  HF_ASSIGN(run.min_timestamp, NumberOf<std::int64_t>(json, "min_timestamp"));
  HF_ASSIGN(run.max_timestamp, NumberOf<std::int64_t>(json, "max_timestamp"));
  HF_ASSIGN(run.gaps, NumberOf<std::uint64_t>(json, "gaps"));
  HF_ASSIGN(const Bytes digest, HexDecode(json.at("xxh128").get<std::string>()));
  if (digest.size() != run.digest.size()) return Malformed("a hash is not 16 bytes long");
  std::ranges::copy(digest, run.digest.begin());
  if (run.first_offset < 0 || run.last_offset < run.first_offset || run.records == 0 ||
      run.records - 1 > static_cast<std::uint64_t>(run.last_offset - run.first_offset))
    return Malformed("records do not match their offsets");
  return run;
}

Result<ClusterDocument> ReadCluster(const Json& json) {
  ClusterDocument document;
  HF_ASSIGN(document.cluster_id, TextOf(json.at("cluster_id")));
  for (const Json& entry : json.at("brokers")) {
    BrokerFacts& broker = document.brokers.emplace_back();
    HF_ASSIGN(broker.id, NumberOf<std::int32_t>(entry, "id"));
    HF_ASSIGN(broker.host, TextOf(entry.at("host")));
    HF_ASSIGN(broker.port, NumberOf<std::int32_t>(entry, "port"));
    HF_ASSIGN(broker.configs, ConfigsOf(entry.at("configs")));
  }
  HF_ASSIGN(document.default_configs, ConfigsOf(json.at("default_configs")));
  for (const auto& [name, configs] : json.at("client_metrics").items()) {
    HF_ASSIGN(document.client_metrics[name], ConfigsOf(configs));
  }
  return document;
}

struct AclField {
  const char* name;
  std::string AclBinding::*field;
};
constexpr AclField kAclFields[] = {{"resource_type", &AclBinding::resource_type},
                                   {"resource_name", &AclBinding::resource_name},
                                   {"pattern_type", &AclBinding::pattern_type},
                                   {"principal", &AclBinding::principal},
                                   {"host", &AclBinding::host},
                                   {"operation", &AclBinding::operation},
                                   {"permission", &AclBinding::permission}};

Result<std::vector<AclBinding>> ReadAcls(const Json& json) {
  std::vector<AclBinding> acls;
  for (const Json& entry : json.at("acls")) {
    AclBinding& acl = acls.emplace_back();
    for (const AclField& field : kAclFields) {
      HF_ASSIGN(acl.*field.field, TextOf(entry.at(field.name)));
    }
  }
  return acls;
}

Result<std::vector<ScramUserFacts>> ReadUsers(const Json& json) {
  std::vector<ScramUserFacts> users;
  for (const Json& entry : json.at("users")) {
    ScramUserFacts& user = users.emplace_back();
    HF_ASSIGN(user.name, TextOf(entry.at("name")));
    const Json& iterations = entry.at("iterations");
    for (const auto& [mechanism, count] : iterations.items()) {
      HF_ASSIGN(user.iterations[mechanism], NumberOf<std::int32_t>(iterations, mechanism.c_str()));
    }
  }
  return users;
}

Result<GroupDocument> ReadGroup(const Json& json) {
  GroupDocument document;
  HF_ASSIGN(document.name, TextOf(json.at("name")));
  HF_ASSIGN(document.state, TextOf(json.at("state")));
  HF_ASSIGN(document.type, TextOf(json.at("type")));
  HF_ASSIGN(document.configs, ConfigsOf(json.at("configs")));
  for (const Json& entry : json.at("offsets")) {
    GroupOffsetFacts& offset = document.offsets.emplace_back();
    HF_ASSIGN(offset.topic, TextOf(entry.at("topic")));
    HF_ASSIGN(offset.partition, NumberOf<std::int32_t>(entry, "partition"));
    HF_ASSIGN(offset.offset, NumberOf<std::int64_t>(entry, "offset"));
    HF_ASSIGN(offset.leader_epoch, NumberOf<std::int32_t>(entry, "leader_epoch"));
    HF_ASSIGN(offset.metadata, TextOf(entry.at("metadata")));
    if (offset.offset < 0 || offset.partition < 0) return Malformed("a group's offset is negative");
  }
  return document;
}

Result<TopicDocument> ReadTopic(const Json& json) {
  TopicDocument document;
  HF_ASSIGN(document.name, TextOf(json.at("name")));
  HF_ASSIGN(document.id, TextOf(json.at("id")));
  HF_ASSIGN(document.partitions, NumberOf<std::int32_t>(json, "partitions"));
  HF_ASSIGN(document.replication_factor, NumberOf<std::int32_t>(json, "replication_factor"));
  if (document.partitions < 1 || document.replication_factor < 1)
    return Malformed("a topic without partitions or replicas");
  document.replicas = json.at("replicas").get<std::vector<std::vector<std::int32_t>>>();
  HF_ASSIGN(document.configs, ConfigsOf(json.at("configs")));
  return document;
}

Result<void> CheckOrder(const PartitionDocument& document) {
  if (document.low < 0 || document.last_stable < document.low ||
      document.high < document.last_stable || document.end < 0)
    return Malformed("offsets are not in order");
  std::int64_t last = -1;
  for (const SegmentFacts& file : document.files) {
    if (file.run.first_offset <= last) return Malformed("files are not in order");
    last = file.run.last_offset;
  }
  if (last >= document.end) return Malformed("a file extends beyond the end");
  for (std::size_t i = 1; i < document.epochs.size(); ++i)
    if (document.epochs[i].epoch <= document.epochs[i - 1].epoch ||
        document.epochs[i].first < document.epochs[i - 1].first)
      return Malformed("epochs are not in order");
  return {};
}

Result<PartitionDocument> ReadPartition(const Json& json) {
  PartitionDocument document;
  HF_ASSIGN(document.topic_id, TextOf(json.at("topic_id")));
  HF_ASSIGN(document.leader, NumberOf<std::int32_t>(json, "leader"));
  HF_ASSIGN(document.low, NumberOf<std::int64_t>(json, "low"));
  HF_ASSIGN(document.last_stable, NumberOf<std::int64_t>(json, "last_stable"));
  HF_ASSIGN(document.high, NumberOf<std::int64_t>(json, "high"));
  HF_ASSIGN(document.end, NumberOf<std::int64_t>(json, "end"));
  HF_ASSIGN(document.incomplete, TextOf(json.at("incomplete")));
  document.compacted = json.at("compacted").get<bool>();
  for (const Json& entry : json.at("epochs")) {
    EpochStart& epoch = document.epochs.emplace_back();
    HF_ASSIGN(epoch.epoch, NumberOf<std::int32_t>(entry, "epoch"));
    HF_ASSIGN(epoch.first, NumberOf<std::int64_t>(entry, "first"));
  }
  for (const Json& entry : json.at("lost")) {
    LostRange& lost = document.lost.emplace_back();
    HF_ASSIGN(lost.first, NumberOf<std::int64_t>(entry, "first"));
    HF_ASSIGN(lost.end, NumberOf<std::int64_t>(entry, "end"));
    HF_ASSIGN(lost.reason, TextOf(entry.at("reason")));
  }
  if (const Json& last = json.at("last_record"); !last.is_null()) {
    HF_ASSIGN(document.last_record, RunOf(last));
    HF_ASSIGN(document.last_record_epoch, NumberOf<std::int32_t>(json, "last_record_epoch"));
  }
  for (const Json& entry : json.at("files")) {
    SegmentFacts& file = document.files.emplace_back();
    HF_ASSIGN(file.run, RunOf(entry));
    HF_ASSIGN(file.bytes, NumberOf<std::uint64_t>(entry, "bytes"));
  }
  HF_TRY(CheckOrder(document));
  return document;
}

}  // namespace

std::string TopicPath(std::string_view topic) { return fmt::format("{}/{}", kTopicsPath, topic); }

std::string PartitionPath(std::string_view topic, std::int32_t partition) {
  return fmt::format("{}/{}", TopicPath(topic), partition);
}

std::string TopicDocumentPath(std::string_view topic) { return TopicPath(topic) + "/topic.json"; }

std::string PartitionDocumentPath(std::string_view topic, std::int32_t partition) {
  return PartitionPath(topic, partition) + "/partition.json";
}

std::string GroupPath(std::string_view group) {
  std::string name;
  for (const char c : group) {
    if (IsPlain(c)) {
      name += c;
    } else {
      name += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
  if (name.size() > kNameBytesMax) {
    const std::string digest = HexEncode(crypto::Sha256Of(AsBytes(group)));
    name.resize(kNameBytesMax - digest.size() - 1);
    name += "-" + digest;
  }
  return fmt::format("{}/{}.json", kGroupsPath, name);
}

RecordRun PartitionDocument::run() const {
  RecordRun run;
  for (const SegmentFacts& file : files) run.Append(file.run);
  return run;
}

std::string EncodeCluster(const ClusterDocument& document) {
  Json json = Versioned();
  json["cluster_id"] = TextJson(document.cluster_id);
  json["brokers"] = Json::array();
  for (const BrokerFacts& broker : document.brokers)
    json["brokers"].push_back({{"id", broker.id},
                               {"host", TextJson(broker.host)},
                               {"port", broker.port},
                               {"configs", ConfigsJson(broker.configs)}});
  json["default_configs"] = ConfigsJson(document.default_configs);
  json["client_metrics"] = Json::object();
  for (const auto& [name, configs] : document.client_metrics)
    json["client_metrics"][name] = ConfigsJson(configs);
  return Dump(json);
}

Result<ClusterDocument> DecodeCluster(std::string_view json) { return Decode(json, ReadCluster); }

std::string EncodeAcls(const std::vector<AclBinding>& acls) {
  Json json = Versioned();
  json["acls"] = Json::array();
  for (const AclBinding& acl : acls) {
    Json entry = Json::object();
    for (const AclField& field : kAclFields) entry[field.name] = TextJson(acl.*field.field);
    json["acls"].push_back(std::move(entry));
  }
  return Dump(json);
}

Result<std::vector<AclBinding>> DecodeAcls(std::string_view json) { return Decode(json, ReadAcls); }

std::string EncodeUsers(const std::vector<ScramUserFacts>& users) {
  Json json = Versioned();
  json["users"] = Json::array();
  for (const ScramUserFacts& user : users) {
    Json iterations = Json::object();
    for (const auto& [mechanism, count] : user.iterations) iterations[mechanism] = count;
    json["users"].push_back({{"name", TextJson(user.name)}, {"iterations", std::move(iterations)}});
  }
  return Dump(json);
}

Result<std::vector<ScramUserFacts>> DecodeUsers(std::string_view json) {
  return Decode(json, ReadUsers);
}

std::string EncodeGroup(const GroupDocument& document) {
  Json json = Versioned();
  json["name"] = TextJson(document.name);
  json["state"] = TextJson(document.state);
  json["type"] = TextJson(document.type);
  json["configs"] = ConfigsJson(document.configs);
  json["offsets"] = Json::array();
  for (const GroupOffsetFacts& offset : document.offsets)
    json["offsets"].push_back({{"topic", TextJson(offset.topic)},
                               {"partition", offset.partition},
                               {"offset", offset.offset},
                               {"leader_epoch", offset.leader_epoch},
                               {"metadata", TextJson(offset.metadata)}});
  return Dump(json);
}

Result<GroupDocument> DecodeGroup(std::string_view json) { return Decode(json, ReadGroup); }

std::string EncodeTopic(const TopicDocument& document) {
  Json json = Versioned();
  json["name"] = TextJson(document.name);
  json["id"] = TextJson(document.id);
  json["partitions"] = document.partitions;
  json["replication_factor"] = document.replication_factor;
  json["replicas"] = document.replicas;
  json["configs"] = ConfigsJson(document.configs);
  return Dump(json);
}

Result<TopicDocument> DecodeTopic(std::string_view json) { return Decode(json, ReadTopic); }

std::string EncodePartition(const PartitionDocument& document) {
  Json json = Versioned();
  json["topic_id"] = TextJson(document.topic_id);
  json["leader"] = document.leader;
  json["low"] = document.low;
  json["last_stable"] = document.last_stable;
  json["high"] = document.high;
  json["end"] = document.end;
  json["incomplete"] = TextJson(document.incomplete);
  json["compacted"] = document.compacted;
  json["epochs"] = Json::array();
  for (const EpochStart& epoch : document.epochs)
    json["epochs"].push_back({{"epoch", epoch.epoch}, {"first", epoch.first}});
  json["lost"] = Json::array();
  for (const LostRange& lost : document.lost)
    json["lost"].push_back(
        {{"first", lost.first}, {"end", lost.end}, {"reason", TextJson(lost.reason)}});
  const RecordRun all = document.run();
  json["all"] = all.records == 0 ? Json() : RunJson(all);
  const bool has_last = document.last_record.records > 0;
  json["last_record"] = has_last ? RunJson(document.last_record) : Json();
  if (has_last) json["last_record_epoch"] = document.last_record_epoch;
  json["files"] = Json::array();
  for (const SegmentFacts& file : document.files) {
    Json entry = {{"name", SegmentName(file.run.first_offset)}, {"bytes", file.bytes}};
    entry.update(RunJson(file.run));
    json["files"].push_back(std::move(entry));
  }
  return Dump(json);
}

Result<PartitionDocument> DecodePartition(std::string_view json) {
  return Decode(json, ReadPartition);
}

}  // namespace holdfast::kafka
