#include "common/repository/format/index_file.h"

#include <iterator>
#include <limits>

#include "common/base/format.h"
#include "common/crypto/seal.h"
#include "common/repository/format/json_reader.h"

namespace holdfast::repository {
namespace {

constexpr std::uint64_t kU32Max = std::numeric_limits<std::uint32_t>::max();

bool ReadType(JsonReader& json, BlobType& type) {
  std::string_view text;
  if (!json.Text(text)) return false;
  type = text == "tree" ? BlobType::kTree : BlobType::kData;
  return text == BlobTypeName(type) ||
         json.Reject("unknown blob type " + Quote(text.substr(0, 40)));
}

bool ReadU32(JsonReader& json, std::uint32_t& number) {
  std::uint64_t value = 0;
  if (!json.Unsigned(value, kU32Max)) return false;
  number = static_cast<std::uint32_t>(value);
  return true;
}

bool ReadBlob(JsonReader& json, PackContents::Blob& blob) {
  if (!json.BeginObject()) return false;
  std::string_view key;
  bool has_id = false;
  bool has_type = false;
  bool has_offset = false;
  while (json.NextField(key)) {
    if (key == "id") {
      has_id = ReadId(json, blob.id);
    } else if (key == "type") {
      has_type = ReadType(json, blob.type);
    } else if (key == "offset") {
      has_offset = ReadU32(json, blob.offset);
    } else if (key == "length") {
      (void)ReadU32(json, blob.length);  // the reader remembers errors, here and below
    } else if (key == "uncompressed_length") {
      (void)ReadU32(json, blob.plain_length);
    } else {
      (void)json.Skip();
    }
  }
  if (json.failed()) return false;
  if (!has_id || !has_type || !has_offset) return json.Reject("a blob has no id, type or offset");
  if (blob.length < crypto::kSealOverhead || blob.length > kU32Max - blob.offset) {
    return json.Reject("a blob has an impossible position");
  }
  blob.compressed = blob.plain_length != 0;
  if (!blob.compressed) {
    blob.plain_length = blob.length - static_cast<std::uint32_t>(crypto::kSealOverhead);
  }
  return true;
}

bool ReadBlobs(JsonReader& json, std::vector<PackContents::Blob>& blobs) {
  if (json.TakeNull()) return true;  // Go writes an empty list as null
  if (!json.BeginArray()) return false;
  while (json.NextElement()) {
    if (!ReadBlob(json, blobs.emplace_back())) return false;
  }
  return !json.failed();
}

bool ReadPack(JsonReader& json, PackContents& pack) {
  if (!json.BeginObject()) return false;
  std::string_view key;
  bool has_id = false;
  while (json.NextField(key)) {
    if (key == "id") {
      has_id = ReadId(json, pack.id);
    } else if (key == "blobs") {
      (void)ReadBlobs(json, pack.blobs);
    } else {
      (void)json.Skip();
    }
  }
  if (json.failed()) return false;
  return has_id || json.Reject("a pack has no id");
}

}  // namespace

std::string EncodeIndexFile(std::span<const PackContents> packs) {
  std::string json = R"({"packs":[)";
  auto out = std::back_inserter(json);
  for (const PackContents& pack : packs) {
    if (json.back() != '[') json += ',';
    fmt::format_to(out, R"({{"id":"{}","blobs":[)", pack.id.Hex());
    for (const PackContents::Blob& blob : pack.blobs) {
      if (json.back() != '[') json += ',';
      fmt::format_to(out, R"({{"id":"{}","type":"{}","offset":{},"length":{})", blob.id.Hex(),
                     BlobTypeName(blob.type), blob.offset, blob.length);
      if (blob.compressed) fmt::format_to(out, R"(,"uncompressed_length":{})", blob.plain_length);
      json += '}';
    }
    json += "]}";
  }
  return json + "]}";
}

Result<void> DecodeIndexFile(ByteView text, const std::function<void(PackContents)>& visit) {
  JsonReader json(AsText(text));
  std::string_view key;
  if (!json.BeginObject()) return json.status();
  while (json.NextField(key)) {
    if (key != "packs") {
      (void)json.Skip();
      continue;
    }
    if (json.TakeNull() || !json.BeginArray()) continue;
    while (json.NextElement()) {
      PackContents pack;
      if (ReadPack(json, pack)) visit(std::move(pack));
    }
  }
  if (!json.failed()) (void)json.End();
  return json.status();
}

}  // namespace holdfast::repository
