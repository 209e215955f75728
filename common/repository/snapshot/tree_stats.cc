#include "common/repository/snapshot/tree_stats.h"

#include <array>
#include <set>
#include <string>
#include <utility>

#include "common/base/format.h"
#include "common/crypto/sha256.h"

namespace holdfast::repository {
namespace {

constexpr std::array kModeNames = {
    std::pair(StatsMode::kRestoreSize, std::string_view("restore-size")),
    std::pair(StatsMode::kFilesByContents, std::string_view("files-by-contents")),
    std::pair(StatsMode::kBlobsPerFile, std::string_view("blobs-per-file")),
    std::pair(StatsMode::kRawData, std::string_view("raw-data")),
};

// Files with the same blobs have the same content. Nodes without content, whatever their type,
// count as one content; restic does so, too.
Id ContentId(const TreeNode& node) {
  crypto::Sha256 hash;
  for (const Id& id : node.content) hash.Update(id.bytes);
  return {hash.Finish()};
}

}  // namespace

Result<StatsMode> ParseStatsMode(std::string_view text) {
  std::string names;
  for (const auto& [mode, name] : kModeNames) {
    if (text == name) return mode;
    names += (names.empty() ? "" : ", ") + std::string(name);
  }
  return Fail(ErrorCode::kInvalidArgument, fmt::format("unknown mode {}", Quote(text)),
              "modes: " + names);
}

std::string_view StatsModeName(StatsMode mode) {
  for (const auto& [known, name] : kModeNames) {
    if (mode == known) return name;
  }
  return "";
}

class StatsCounter::Visitor final : public TreeVisitor {
 public:
  explicit Visitor(StatsCounter& counter) : counter_(counter) {}

  Result<bool> Visit(const std::string& path, const TreeNode& node) override {
    switch (counter_.mode_) {
      case StatsMode::kRestoreSize:
        AddRestored(node);
        return true;
      case StatsMode::kFilesByContents:
      case StatsMode::kBlobsPerFile:
        HF_TRY(counter_.AddFile(path, node));
        return true;
      case StatsMode::kRawData:
        for (const Id& id : node.content) HF_TRY(counter_.AddBlob(BlobType::kData, id));
        if (!node.subtree || counter_.trees_.contains(*node.subtree)) return false;
        HF_TRY(counter_.AddBlob(BlobType::kTree, *node.subtree));
        return true;
    }
    return true;
  }

 private:
  void AddRestored(const TreeNode& node) {
    const Attributes& attributes = node.attributes;
    ++counter_.stats_.entries;
    if (attributes.type != NodeType::kFile) return;
    const bool is_linked = attributes.links > 1 && attributes.inode != 0;
    if (is_linked && !linked_.emplace(attributes.device_id, attributes.inode).second) return;
    counter_.stats_.bytes += attributes.size;
  }

  StatsCounter& counter_;
  std::set<std::pair<std::uint64_t, std::uint64_t>> linked_;  // of this snapshot
};

Result<void> StatsCounter::AddBlob(BlobType type, const Id& id) {
  if (!(type == BlobType::kTree ? trees_ : seen_).insert(id).second) return {};
  HF_ASSIGN(const BlobLocation location, blobs_.Locate(type, id));
  ++stats_.blobs;
  stats_.bytes += location.plain_length;
  stats_.bytes_stored += location.length;
  return {};
}

Result<void> StatsCounter::AddFile(const std::string& path, const TreeNode& node) {
  if (!seen_.insert(ContentId(node)).second) return {};
  if (mode_ == StatsMode::kFilesByContents) {
    ++stats_.entries;
    stats_.bytes += node.attributes.size;
    return {};
  }
  for (const Id& id : node.content) {
    const Id path_id{crypto::Sha256Of(AsBytes("path " + path))};
    if (paths_.insert(path_id).second) ++stats_.entries;
    const Id reference{crypto::Sha256Of(AsBytes(id.Hex() + " " + path))};
    if (!seen_.insert(reference).second) continue;
    const std::optional<BlobLocation> location = blobs_.index().Find(BlobType::kData, id);
    if (!location) {
      return Fail(ErrorCode::kCorrupt,
                  fmt::format("{} needs data blob {}, which is in no pack", Quote(path), id.Hex()),
                  "run `holdfast-agent check` to list everything that is missing");
    }
    ++stats_.blobs;
    stats_.bytes += location->plain_length;
  }
  return {};
}

Result<void> StatsCounter::Add(const SnapshotInfo& snapshot, std::stop_token stop) {
  ++stats_.snapshots;
  if (mode_ == StatsMode::kRawData) {
    if (trees_.contains(snapshot.tree)) return {};
    HF_TRY(AddBlob(BlobType::kTree, snapshot.tree));
  }
  Visitor visitor(*this);
  Result<void> walked = WalkTree(blobs_, snapshot.tree, "", visitor, std::move(stop));
  if (walked) return {};
  return Fail(
      std::move(walked).error().While(fmt::format("snapshot {}", snapshot.id.Hex().substr(0, 8))));
}

}  // namespace holdfast::repository
