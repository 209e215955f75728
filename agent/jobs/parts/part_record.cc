#include "agent/jobs/parts/part_record.h"

#include <algorithm>
#include <array>
#include <functional>
#include <map>
#include <utility>
#include <vector>

#include "common/base/format.h"
#include "common/base/json.h"
#include "common/base/utf8.h"
#include "common/repository/snapshot/repository_view.h"

namespace holdfast::jobs {
namespace {

using Json = nlohmann::ordered_json;
using repository::PartStatistics;

constexpr std::size_t kNameMax = 255;  // bytes of a name in an error

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

void Shorten(std::string& text) {
  if (text.size() > kPartRecordTextMax) text = ShortenUtf8(text, kPartRecordTextMax);
}

void Shorten(std::map<std::string, std::string>& texts) {
  for (auto& [key, value] : texts) Shorten(value);
}

void Shorten(std::vector<std::string>& texts) {
  for (std::string& text : texts) Shorten(text);
}

void ShortenTexts(Manifest& manifest) {
  for (std::string* text :
       {&manifest.holdfast_version, &manifest.holdfast_commit, &manifest.note, &manifest.cluster,
        &manifest.topology, &manifest.endpoint, &manifest.method, &manifest.consistency}) {
    Shorten(*text);
  }
  Shorten(manifest.identity);
  for (auto& member : manifest.members) Shorten(member);
  Shorten(manifest.position);
  Shorten(manifest.checksums);
  for (Missing& missing : manifest.missing) {
    Shorten(missing.what);
    Shorten(missing.reason);
    Shorten(missing.remedy);
  }
  Shorten(manifest.warnings);
  Shorten(manifest.invalid);
}

// Keeps the first elements, and replaces the others with one element that says how many they are.
template <typename Element, typename Rest>
void ShortenList(std::vector<Element>& list, Rest&& rest) {
  if (list.size() <= kPartRecordListMax) return;
  const std::size_t left_out = list.size() - kPartRecordListMax + 1;
  list.resize(kPartRecordListMax - 1);
  list.push_back(rest(FormatCount(left_out, "more entry")));
}

std::unexpected<Error> Malformed(std::string reason) {
  return Fail(ErrorCode::kCorrupt, "malformed: " + std::move(reason));
}

// The limits that DecodeManifest() does not check.
Result<void> CheckManifest(const Manifest& manifest) {
  if (manifest.parts.size() != 1) {
    return Fail(ErrorCode::kCorrupt, fmt::format("it describes {}; expected one",
                                                 FormatCount(manifest.parts.size(), "part")));
  }
  const PartManifest& part = manifest.parts.front();
  if (part.items > kPartRecordCountMax || part.bytes > kPartRecordCountMax) {
    return Malformed("a count is too large");
  }
  const std::size_t longest =
      std::max({manifest.missing.size(), manifest.warnings.size(), manifest.invalid.size()});
  if (longest <= kPartRecordListMax) return {};
  return Malformed(fmt::format("a list has {} elements; at most {}", longest, kPartRecordListMax));
}

}  // namespace

std::string EncodePartRecord(PartRecord record) {
  Manifest& manifest = record.manifest;
  ShortenList(manifest.missing, [](std::string count) {
    return Missing{std::move(count), "", ""};
  });
  ShortenList(manifest.warnings, std::identity());
  ShortenList(manifest.invalid, std::identity());
  ShortenTexts(manifest);
  // Readers of manifests ignore the added fields, so users can read the file as a manifest too.
  Json json = ParseOrderedJson(EncodeManifest(record.manifest));
  Json& part = json["part"];
  part["data"] = record.has_data;
  part["partial"] = record.is_partial;
  part["parent"] = record.parent ? Json(record.parent->Hex()) : Json();
  for (const NamedCount& count : kCounts)
    part["statistics"][count.name] = count.of(record.statistics);
  return DumpJson(json, 2) + "\n";
}

Result<PartRecord> DecodePartRecord(std::string_view text) {
  if (CountJsonValues(text) > kPartRecordValuesMax) {
    return Malformed(fmt::format("it has more than {} values", kPartRecordValuesMax));
  }
  PartRecord record;
  HF_ASSIGN(record.manifest, DecodeManifest(text));
  HF_TRY(CheckManifest(record.manifest));
  ShortenTexts(record.manifest);
  Json json = ParseOrderedJson(text);
  try {
    const Json& part = json.at("part");
    record.has_data = part.at("data").get<bool>();
    record.is_partial = part.at("partial").get<bool>();
    if (const Json& parent = part.at("parent"); !parent.is_null()) {
      Result<repository::Id> id = repository::ParseId(parent.get<std::string>());
      if (!id) return Malformed(id.error().message());
      record.parent = *id;
    }
    const Json& statistics = part.at("statistics");
    if (!statistics.is_object()) return Malformed("statistics are not an object");
    for (const NamedCount& count : kCounts) {
      const auto found = statistics.find(count.name);
      if (found == statistics.end()) continue;
      // The JSON library would convert any number, even a negative one.
      if (!found->is_number_unsigned() || found->get<std::uint64_t>() > kPartRecordCountMax) {
        return Malformed(fmt::format("{} is not a count", count.name));
      }
      count.of(record.statistics) = found->get<std::uint64_t>();
    }
  } catch (const Json::exception& e) {
    return Malformed(ShortenUtf8(e.what(), kNameMax));
  }
  return record;
}

Result<PartRecord> LoadPartRecord(repository::Repository& repository, const repository::Id& tree,
                                  std::uint64_t& bytes_left) {
  repository::TreeNode top;
  top.attributes.type = NodeType::kDirectory;
  top.subtree = tree;
  repository::RepositoryView view(repository, tree, std::move(top), std::nullopt);
  HF_ASSIGN(std::optional<Attributes> found, view.Stat(kPartRecordName));
  if (!found || found->type != NodeType::kFile) {
    return Fail(ErrorCode::kCorrupt,
                fmt::format("tree {} has no {}, so it is not a part", tree.Hex(), kPartRecordName));
  }
  const std::uint64_t bytes_max = std::min(kPartRecordBytesMax, bytes_left);
  const auto too_long = [&] {
    return Fail(ErrorCode::kCorrupt,
                fmt::format("{} of tree {} is too long; at most {}", kPartRecordName, tree.Hex(),
                            FormatBytes(bytes_max)));
  };
  if (found->size > bytes_max) return too_long();
  HF_ASSIGN(std::unique_ptr<ByteReader> reader, view.Open(kPartRecordName));
  std::string text;
  Bytes buffer(64U << 10);
  for (;;) {
    HF_ASSIGN(std::size_t count, reader->Read(buffer));
    if (count == 0) break;
    text += AsText(ByteView(buffer).first(count));
    // The blob list of a forged tree may be longer than its size says.
    if (text.size() > bytes_max) return too_long();
  }
  bytes_left -= text.size();
  Result<PartRecord> record = DecodePartRecord(text);
  if (record) return record;
  return Fail(std::move(record).error().While(fmt::format("read {}", kPartRecordName)));
}

Result<void> CheckPartRecord(const PartRecord& record, const PartOrigin& expected) {
  const Manifest& manifest = record.manifest;
  const std::string& node = manifest.parts.front().node;
  if (manifest.run == expected.run && manifest.kind == expected.kind &&
      manifest.name == expected.name && node == expected.node) {
    return {};
  }
  const auto shown = [](std::string_view text) { return Quote(ShortenUtf8(text, kNameMax)); };
  return Fail(
      ErrorCode::kCorrupt,
      fmt::format("its {} belongs to {}, run {}, node {}", kPartRecordName,
                  shown(manifest.kind + "/" + manifest.name), shown(manifest.run), shown(node)),
      "back the source up again");
}

}  // namespace holdfast::jobs
