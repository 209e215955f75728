#include "common/repository/format/records.h"

#include <limits>

#include "common/base/format.h"
#include "common/base/json.h"

namespace holdfast::repository {
namespace {

using Json = nlohmann::json;
using OrderedJson = nlohmann::ordered_json;  // user and host names in it need not be UTF-8

Result<Json> ParseObject(ByteView text) {
  Json json = ParseJson(AsText(text));
  if (!json.is_object()) return Fail(ErrorCode::kCorrupt, "not a JSON object");
  return json;
}

// nullptr when the field is missing or null.
const Json* FindField(const Json& object, const char* name) {
  auto field = object.find(name);
  return field == object.end() || field->is_null() ? nullptr : &*field;
}

std::unexpected<Error> BadField(const char* name, const char* expected) {
  return Fail(ErrorCode::kCorrupt,
              fmt::format("field \"{}\" is missing or not a {}", name, expected));
}

Result<std::string> TextField(const Json& object, const char* name) {
  const Json* field = FindField(object, name);
  if (field == nullptr || !field->is_string()) return BadField(name, "text");
  return field->get_ref<const std::string&>();
}

// Empty if missing: restic omits empty texts.
Result<std::string> OptionalTextField(const Json& object, const char* name) {
  return FindField(object, name) == nullptr ? std::string() : TextField(object, name);
}

Result<std::uint64_t> NumberField(const Json& object, const char* name) {
  const Json* field = FindField(object, name);
  if (field == nullptr || !field->is_number_unsigned()) return BadField(name, "whole number");
  return field->get<std::uint64_t>();
}

Result<Bytes> Base64Field(const Json& object, const char* name) {
  HF_ASSIGN(std::string text, TextField(object, name));
  Result<Bytes> bytes = Base64Decode(text);
  if (!bytes) return BadField(name, "base64 text");
  return bytes;
}

template <std::size_t kSize>
Result<void> KeyField(const Json& object, const char* name,
                      std::array<std::uint8_t, kSize>& target) {
  HF_ASSIGN(Bytes bytes, Base64Field(object, name));
  if (bytes.size() != kSize) return BadField(name, "key of the right length");
  std::copy(bytes.begin(), bytes.end(), target.begin());
  crypto::Wipe(bytes);
  return {};
}

}  // namespace

std::string EncodeKey(const KeyRecord& key) {
  OrderedJson json;
  json["created"] = FormatTime(key.created);
  json["username"] = key.user;
  json["hostname"] = key.host;
  json["kdf"] = "scrypt";
  json["N"] = key.scrypt.n;
  json["r"] = key.scrypt.r;
  json["p"] = key.scrypt.p;
  json["salt"] = Base64Encode(key.salt);
  json["data"] = Base64Encode(key.data);
  return DumpJson(json);
}

Result<KeyRecord> DecodeKey(ByteView text) {
  HF_ASSIGN(Json json, ParseObject(text));
  KeyRecord key;
  HF_ASSIGN(std::string kdf, TextField(json, "kdf"));
  if (kdf != "scrypt") {
    return Fail(ErrorCode::kUnsupported,
                fmt::format("key derivation {} is not known", Quote(kdf.substr(0, 40))));
  }
  HF_ASSIGN(key.user, OptionalTextField(json, "username"));
  HF_ASSIGN(key.host, OptionalTextField(json, "hostname"));
  HF_ASSIGN(key.scrypt.n, NumberField(json, "N"));
  HF_ASSIGN(key.scrypt.r, NumberField(json, "r"));
  HF_ASSIGN(key.scrypt.p, NumberField(json, "p"));
  HF_ASSIGN(key.salt, Base64Field(json, "salt"));
  HF_ASSIGN(key.data, Base64Field(json, "data"));
  HF_ASSIGN(std::string created, OptionalTextField(json, "created"));
  // Only for display, so an invalid time is not an error.
  if (Result<WallTime> time = ParseTime(created)) key.created = *time;
  return key;
}

std::string EncodeMasterKey(const crypto::SealKey& key) {
  // Not with the JSON library, which would leave copies of the key in memory.
  return fmt::format(R"({{"mac":{{"k":"{}","r":"{}"}},"encrypt":"{}"}})", Base64Encode(key.mac_k),
                     Base64Encode(key.mac_r), Base64Encode(key.encrypt));
}

Result<crypto::SealKey> DecodeMasterKey(ByteView text) {
  HF_ASSIGN(Json json, ParseObject(text));
  const Json* mac = FindField(json, "mac");
  if (mac == nullptr || !mac->is_object()) return BadField("mac", "object");
  crypto::SealKey key;
  HF_TRY(KeyField(*mac, "k", key.mac_k));
  HF_TRY(KeyField(*mac, "r", key.mac_r));
  HF_TRY(KeyField(json, "encrypt", key.encrypt));
  if (!key.IsValid()) return Fail(ErrorCode::kCorrupt, "the master key is zero");
  return key;
}

std::string EncodeConfig(const Config& config) {
  OrderedJson json;
  json["version"] = config.version;
  json["id"] = config.id;
  json["chunker_polynomial"] = config.chunker_polynomial;
  return DumpJson(json);
}

Result<Config> DecodeConfig(ByteView text) {
  HF_ASSIGN(Json json, ParseObject(text));
  HF_ASSIGN(std::uint64_t version, NumberField(json, "version"));
  if (version == 1) {
    return Fail(ErrorCode::kUnsupported, "the repository has format version 1, not 2",
                "run \"restic migrate upgrade_repo_v2\" once");
  }
  if (version != 2) {
    return Fail(ErrorCode::kUnsupported,
                fmt::format("the repository has format version {}, not 2", version),
                "use a newer Holdfast, or stock restic");
  }
  Config config;
  HF_ASSIGN(config.id, TextField(json, "id"));
  if (!ParseId(config.id)) return BadField("id", "id of 64 hexadecimal digits");
  HF_ASSIGN(config.chunker_polynomial, OptionalTextField(json, "chunker_polynomial"));
  return config;
}

std::string EncodeLock(const LockRecord& lock) {
  OrderedJson json;
  json["time"] = FormatTime(lock.time);
  json["exclusive"] = lock.exclusive;
  json["hostname"] = lock.holder.host;
  json["username"] = lock.holder.user;
  json["pid"] = lock.holder.pid;
  if (lock.holder.uid != 0) json["uid"] = lock.holder.uid;
  if (lock.holder.gid != 0) json["gid"] = lock.holder.gid;
  return DumpJson(json);
}

Result<LockInfo> DecodeLock(ByteView text) {
  HF_ASSIGN(Json json, ParseObject(text));
  LockInfo lock;
  HF_ASSIGN(std::string time, TextField(json, "time"));
  Result<UnixTime> parsed = ParseUnixTime(time);
  if (!parsed) return BadField("time", "RFC 3339 time");
  lock.time = *parsed;
  const Json* exclusive = FindField(json, "exclusive");
  if (exclusive == nullptr || !exclusive->is_boolean()) return BadField("exclusive", "truth value");
  lock.exclusive = exclusive->get<bool>();
  HF_ASSIGN(lock.host, OptionalTextField(json, "hostname"));
  HF_ASSIGN(lock.user, OptionalTextField(json, "username"));
  if (FindField(json, "pid") != nullptr) {
    HF_ASSIGN(std::uint64_t pid, NumberField(json, "pid"));
    if (pid > std::numeric_limits<std::int32_t>::max()) return BadField("pid", "process id");
    lock.pid = static_cast<std::uint32_t>(pid);
  }
  return lock;
}

}  // namespace holdfast::repository
