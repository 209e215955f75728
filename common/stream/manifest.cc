#include "common/stream/manifest.h"

#include "common/base/format.h"
#include "common/base/json.h"

namespace holdfast {
namespace {

using Json = nlohmann::ordered_json;

Json PartToJson(const PartManifest& part) {
  Json json = {{"node", part.node},
               {"tree_id", part.tree_id},
               {"items", part.items},
               {"bytes", part.bytes},
               {"seconds", part.seconds}};
  if (part.cut_time) json["cut_time"] = FormatTime(*part.cut_time);
  if (part.is_rest) json["rest"] = true;
  return json;
}

// An invalid time makes the manifest malformed.
Result<WallTime> TimeFromJson(const Json& json) {
  Result<WallTime> time = ParseTime(json.get<std::string>());
  if (time) return time;
  return Fail(ErrorCode::kCorrupt, "manifest is malformed: " + time.error().message());
}

// The JSON library would convert any number, even one that cannot be a count.
Result<std::uint64_t> CountFromJson(const Json& json, const char* name) {
  const auto count = json.find(name);
  if (count == json.end()) return 0;
  if (count->is_number_unsigned()) return count->get<std::uint64_t>();
  return Fail(ErrorCode::kCorrupt, fmt::format("manifest is malformed: {} is not a count", name));
}

Result<PartManifest> PartFromJson(const Json& json) {
  PartManifest part;
  part.node = json.value("node", "");
  part.tree_id = json.value("tree_id", "");
  HF_ASSIGN(part.items, CountFromJson(json, "items"));
  HF_ASSIGN(part.bytes, CountFromJson(json, "bytes"));
  part.seconds = json.value("seconds", PhaseSeconds{});
  if (const auto cut = json.find("cut_time"); cut != json.end()) {
    HF_ASSIGN(part.cut_time, TimeFromJson(*cut));
  }
  part.is_rest = json.value("rest", false);
  return part;
}

Json MissingToJson(const Missing& missing) {
  Json json = {{"what", missing.what}, {"reason", missing.reason}};
  if (!missing.remedy.empty()) json["remedy"] = missing.remedy;
  return json;
}

Missing MissingFromJson(const Json& json) {
  return {json.value("what", ""), json.value("reason", ""), json.value("remedy", "")};
}

// Reads what EncodeManifest() writes. Throws nlohmann's exceptions if the manifest is malformed.
Result<Manifest> FromJson(const Json& json) {
  using Texts = std::map<std::string, std::string>;
  Manifest manifest;
  manifest.format_version = json.at("format_version").get<int>();
  manifest.holdfast_version = json.value("holdfast_version", "");
  manifest.holdfast_commit = json.value("holdfast_commit", "");
  manifest.run = json.value("run", "");
  manifest.note = json.value("note", "");
  manifest.kind = json.at("kind").get<std::string>();
  manifest.name = json.at("name").get<std::string>();
  manifest.node = json.value("node", "");
  manifest.cluster = json.value("cluster", "");
  manifest.topology = json.value("topology", "");
  manifest.identity = json.value("identity", Texts{});
  manifest.members = json.value("members", std::vector<Texts>{});
  manifest.position = json.value("position", Texts{});
  manifest.endpoint = json.value("endpoint", "");
  manifest.method = json.value("method", "");
  manifest.consistency = json.value("consistency", "");
  if (const auto barrier = json.find("cut_barrier"); barrier != json.end() && !barrier->is_null()) {
    manifest.cut_barrier = barrier->get<bool>();
  }
  manifest.checksums = json.value("checksums", Texts{});
  manifest.details = json.value("details", std::map<std::string, std::vector<std::string>>{});
  for (const Json& part : json.value("parts", Json::array())) {
    HF_ASSIGN(PartManifest read, PartFromJson(part));
    manifest.parts.push_back(std::move(read));
  }
  for (const Json& missing : json.value("missing", Json::array())) {
    manifest.missing.push_back(MissingFromJson(missing));
  }
  manifest.warnings = json.value("warnings", std::vector<std::string>{});
  manifest.invalid = json.value("invalid", std::vector<std::string>{});
  return manifest;
}

// All formats have this field, so that an old program can say why it refuses a newer manifest.
Result<void> CheckVersion(const Json& json) {
  if (!json.is_object()) return Fail(ErrorCode::kCorrupt, "manifest is not a JSON object");
  const auto version = json.find("format_version");
  if (version == json.end() || !version->is_number_unsigned() ||
      version->get<std::uint64_t>() == 0) {
    return Fail(ErrorCode::kCorrupt, "manifest has no format_version");
  }
  if (version->get<std::uint64_t>() > Manifest::kFormatVersion) {
    return Fail(ErrorCode::kUnsupported,
                fmt::format("manifest has format {}, but this program supports {}",
                            version->get<std::uint64_t>(), Manifest::kFormatVersion),
                "use a newer Holdfast, or restic, which needs no manifest");
  }
  return {};
}

}  // namespace

WallTime Manifest::CutTimeOf(std::string_view node_name) const {
  for (const PartManifest& part : parts) {
    if (part.node == node_name && part.cut_time) return *part.cut_time;
  }
  return cut_time;
}

std::vector<std::string> Manifest::DetailsOf(const std::string& what) const {
  const auto found = details.find(what);
  return found == details.end() ? std::vector<std::string>() : found->second;
}

std::string EncodeManifest(const Manifest& manifest) {
  Json json = {
      {"format_version", manifest.format_version},
      {"holdfast_version", manifest.holdfast_version},
      {"run", manifest.run},
      {"note", manifest.note},
      {"kind", manifest.kind},
      {"name", manifest.name},
      {"node", manifest.node},
      {"cluster", manifest.cluster},
      {"topology", manifest.topology},
      {"identity", manifest.identity},
      {"members", manifest.members},
      {"position", manifest.position},
      {"endpoint", manifest.endpoint},
      {"method", manifest.method},
      {"consistency", manifest.consistency},
      {"cut_time", FormatTime(manifest.cut_time)},
  };
  if (!manifest.holdfast_commit.empty()) json["holdfast_commit"] = manifest.holdfast_commit;
  json["cut_barrier"] = manifest.cut_barrier ? Json(*manifest.cut_barrier) : Json();
  json["checksums"] = manifest.checksums;
  json["details"] = manifest.details;
  json["parts"] = Json::array();
  for (const PartManifest& part : manifest.parts) json["parts"].push_back(PartToJson(part));
  json["missing"] = Json::array();
  for (const Missing& missing : manifest.missing) {
    json["missing"].push_back(MissingToJson(missing));
  }
  json["warnings"] = manifest.warnings;
  if (!manifest.invalid.empty()) json["invalid"] = manifest.invalid;
  return DumpJson(json, 2) + "\n";
}

Result<Manifest> DecodeManifest(std::string_view text) {
  const Json json = ParseOrderedJson(text);
  if (json.is_discarded())
    return Fail(ErrorCode::kCorrupt, "manifest is not valid JSON, or is nested too deeply");
  HF_TRY(CheckVersion(json));
  try {
    HF_ASSIGN(Manifest manifest, FromJson(json));
    HF_ASSIGN(manifest.cut_time, TimeFromJson(json.at("cut_time")));
    return manifest;
  } catch (const Json::exception& e) {
    return Fail(ErrorCode::kCorrupt, std::string("manifest is malformed: ") + e.what());
  }
}

}  // namespace holdfast
