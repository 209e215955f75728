#include "agent/jobs/parts/part_record.h"

#include <array>
#include <utility>

#include "common/base/format.h"
#include "common/base/json.h"
#include "common/repository/snapshot/repository_view.h"

namespace holdfast::jobs {
namespace {

using Json = nlohmann::ordered_json;
using repository::PartStatistics;

// We never write larger ones.
constexpr std::uint64_t kRecordBytesMax = 64U << 20;

struct NamedCount {
  const char* name;
  std::uint64_t& (*of)(PartStatistics& statistics);
};
constexpr std::array kCounts = {
    NamedCount{"files_new", [](PartStatistics& s) -> std::uint64_t& { return s.files_new; }},
    NamedCount{"files_changed",
               [](PartStatistics& s) -> std::uint64_t& { return s.files_changed; }},
    NamedCount{"files_unmodified",
               [](PartStatistics& s) -> std::uint64_t& { return s.files_unmodified; }},
    NamedCount{"directories_new",
               [](PartStatistics& s) -> std::uint64_t& { return s.directories_new; }},
    NamedCount{"directories_changed",
               [](PartStatistics& s) -> std::uint64_t& { return s.directories_changed; }},
    NamedCount{"directories_unmodified",
               [](PartStatistics& s) -> std::uint64_t& { return s.directories_unmodified; }},
    NamedCount{"items", [](PartStatistics& s) -> std::uint64_t& { return s.items; }},
    NamedCount{"bytes", [](PartStatistics& s) -> std::uint64_t& { return s.bytes_processed; }},
    NamedCount{"bytes_read", [](PartStatistics& s) -> std::uint64_t& { return s.bytes_read; }},
    NamedCount{"data_blobs",
               [](PartStatistics& s) -> std::uint64_t& { return s.blobs.data_blobs; }},
    NamedCount{"tree_blobs",
               [](PartStatistics& s) -> std::uint64_t& { return s.blobs.tree_blobs; }},
    NamedCount{"bytes_added",
               [](PartStatistics& s) -> std::uint64_t& { return s.blobs.bytes_added; }},
};

}  // namespace

std::string EncodePartRecord(const PartRecord& record) {
  // Readers of manifests ignore the added fields, so users can read the file as a manifest too.
  Json json = ParseOrderedJson(EncodeManifest(record.manifest));
  Json& part = json["part"];
  part["data"] = record.has_data;
  part["partial"] = record.is_partial;
  part["parent"] = record.parent ? Json(record.parent->Hex()) : Json();
  PartStatistics statistics = record.statistics;
  for (const NamedCount& count : kCounts) part["statistics"][count.name] = count.of(statistics);
  return DumpJson(json, 2) + "\n";
}

Result<PartRecord> DecodePartRecord(std::string_view text) {
  PartRecord record;
  HF_ASSIGN(record.manifest, DecodeManifest(text));
  Json json = ParseOrderedJson(text);
  try {
    const Json& part = json.at("part");
    record.has_data = part.at("data").get<bool>();
    record.is_partial = part.at("partial").get<bool>();
    if (const Json& parent = part.at("parent"); !parent.is_null()) {
      Result<repository::Id> id = repository::ParseId(parent.get<std::string>());
      if (!id) return Fail(ErrorCode::kCorrupt, "malformed: " + id.error().message());
      record.parent = *id;
    }
    const Json& statistics = part.at("statistics");
    if (!statistics.is_object()) {
      return Fail(ErrorCode::kCorrupt, "malformed: statistics are not an object");
    }
    for (const NamedCount& count : kCounts) {
      const auto found = statistics.find(count.name);
      if (found == statistics.end()) continue;
      // The JSON library would convert any number, even a negative one.
      if (!found->is_number_unsigned()) {
        return Fail(ErrorCode::kCorrupt, fmt::format("malformed: {} is not a count", count.name));
      }
      count.of(record.statistics) = found->get<std::uint64_t>();
    }
  } catch (const Json::exception& e) {
    return Fail(ErrorCode::kCorrupt, std::string("malformed: ") + e.what());
  }
  if (record.manifest.parts.size() != 1) {
    return Fail(ErrorCode::kCorrupt,
                fmt::format("it describes {}; expected one",
                            FormatCount(record.manifest.parts.size(), "part")));
  }
  return record;
}

Result<PartRecord> LoadPartRecord(repository::Repository& repository, const repository::Id& tree) {
  repository::TreeNode top;
  top.attributes.type = NodeType::kDirectory;
  top.subtree = tree;
  repository::RepositoryView view(repository, tree, std::move(top), std::nullopt);
  HF_ASSIGN(std::optional<Attributes> found, view.Stat(kPartRecordName));
  if (!found || found->type != NodeType::kFile || found->size > kRecordBytesMax) {
    return Fail(ErrorCode::kCorrupt,
                fmt::format("tree {} has no {}, so it is not a part", tree.Hex(), kPartRecordName));
  }
  HF_ASSIGN(std::unique_ptr<ByteReader> reader, view.Open(kPartRecordName));
  std::string text;
  Bytes buffer(64U << 10);
  for (;;) {
    HF_ASSIGN(std::size_t count, reader->Read(buffer));
    if (count == 0) break;
    text += AsText(ByteView(buffer).first(count));
    // The blob list of a forged tree may be longer than its size says.
    if (text.size() > kRecordBytesMax) {
      return Fail(ErrorCode::kCorrupt,
                  fmt::format("{} of tree {} is too long", kPartRecordName, tree.Hex()));
    }
  }
  Result<PartRecord> record = DecodePartRecord(text);
  if (record) return record;
  return Fail(std::move(record).error().While(fmt::format("read {}", kPartRecordName)));
}

}  // namespace holdfast::jobs
