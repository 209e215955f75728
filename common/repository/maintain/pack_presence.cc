#include "common/repository/maintain/pack_presence.h"

#include <algorithm>
#include <optional>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "common/base/format.h"
#include "common/repository/format/pack_format.h"
#include "common/repository/format/tree_codec.h"
#include "common/repository/tree/tree_blobs.h"

namespace holdfast::repository {
namespace {

// Up to this many packs are checked one by one; for more, listing all packs is cheaper.
constexpr std::size_t kStatsMax = 200;
constexpr std::string_view kHint =
    "it was removed from the repository; back the source up again, and run \"holdfast-agent "
    "check\"";

Error Lacking(const std::string& tree, std::string_view what) {
  return Error(ErrorCode::kCorrupt, fmt::format("{}: {}", tree, what)).WithHint(std::string(kHint));
}

class PresenceCheck {
 public:
  PresenceCheck(Repository& repository, std::stop_token stop)
      : repository_(repository), stop_(std::move(stop)) {}

  Result<void> Check(std::span<const NamedTree> trees) {
    // If a pack is bad, the next round looks for its blobs in other packs. Each round but the last
    // finds at least one more bad pack.
    for (;;) {
      const std::size_t known = bad_.size();
      seen_.clear();
      packs_.clear();
      for (const NamedTree& tree : trees) HF_TRY(Collect(tree));
      HF_TRY(CheckFiles());
      if (bad_.size() == known) return {};
    }
  }

 private:
  // Notes the packs of everything below. Uses a stack instead of recursion.
  Result<void> Collect(const NamedTree& top) {
    struct Pending {
      std::string path;
      Id tree;
    };
    std::vector<Pending> pending = {{"", top.tree}};
    while (!pending.empty()) {
      HF_TRY(CheckStop(stop_));
      Pending next = std::move(pending.back());
      pending.pop_back();
      if (!seen_.insert(next.tree).second) continue;
      HF_TRY(Note(top, BlobType::kTree, next.tree, next.path));
      bool is_noted = true;
      const auto note = [&](const TreeNode& node) -> Result<void> {
        std::string path = next.path.empty() ? node.name : next.path + "/" + node.name;
        if (node.attributes.type == NodeType::kDirectory) {
          pending.push_back({std::move(path), *node.subtree});
          return {};
        }
        for (const Id& id : node.content) HF_TRY(Note(top, BlobType::kData, id, path));
        return {};
      };
      Result<void> visited =
          VisitTreeOf(repository_.blobs(), next.tree, [&](const TreeNode& node, std::string_view) {
            Result<void> noted = note(node);
            is_noted = noted.has_value();
            return noted;
          });
      if (visited) continue;
      if (!is_noted) return visited;
      // If the directory's pack is bad, report the pack, which says more.
      if (visited.error().code() == ErrorCode::kCorrupt) {
        HF_TRY(CheckFiles());
        HF_TRY(Note(top, BlobType::kTree, next.tree, next.path));
      }
      return Fail(std::move(visited).error().While(top.name));
    }
    return {};
  }

  // Adds the packs that do not match the index to bad_.
  Result<void> CheckFiles() {
    repository_.index().ForEachBlob([&](BlobType, const Id&, const BlobLocation& location) {
      const auto pack = packs_.find(location.pack);
      if (pack == packs_.end()) return;
      pack->second += PackedBytes(location);
    });
    std::unordered_map<Id, std::uint64_t, IdHash> listed;
    const bool is_listed = packs_.size() > kStatsMax;
    if (is_listed) {
      HF_TRY(repository_.storage().List(FileKind::kPack, [&](const FileInfo& file) -> Result<void> {
        HF_ASSIGN(Id id, ParseId(file.name.name));
        if (packs_.contains(id)) listed[id] = file.size;
        return {};
      }));
    }
    for (const auto& [id, bytes] : packs_) {
      HF_TRY(CheckStop(stop_));
      const auto found = listed.find(id);
      // Packs that are not listed are checked again: some storages are slow to list new files.
      std::optional<std::uint64_t> size;
      if (found != listed.end()) {
        size = found->second;
      } else {
        HF_ASSIGN(size, SizeOf(id));
      }
      const std::uint64_t expected = bytes + ExpectedPackSize({});
      if (!size) {
        bad_[id] = fmt::format("pack {} is in the index but not in the storage", id.Hex());
      } else if (*size != expected) {
        bad_[id] = fmt::format("pack {} has {} bytes, but the index implies {}", id.Hex(), *size,
                               expected);
      }
    }
    return {};
  }

  // Notes one pack that has the blob and is not known to be bad.
  Result<void> Note(const NamedTree& top, BlobType type, const Id& id, const std::string& path) {
    const std::optional<BlobLocation> first = repository_.index().Find(type, id);
    if (!first) {
      return Fail(Lacking(
          top.name, fmt::format("{} blob {} of {} is not in the index", BlobTypeName(type),
                                id.Hex(), path.empty() ? std::string("its top") : Quote(path))));
    }
    if (!bad_.contains(first->pack)) {
      packs_.try_emplace(first->pack);
      return {};
    }
    for (const BlobLocation& other : repository_.index().FindAll(type, id)) {
      if (bad_.contains(other.pack)) continue;
      packs_.try_emplace(other.pack);
      return {};
    }
    return Fail(Lacking(top.name, bad_[first->pack]));
  }

  Result<std::optional<std::uint64_t>> SizeOf(const Id& pack) {
    Result<FileInfo> file = repository_.storage().Stat({FileKind::kPack, pack.Hex()});
    if (file) return std::optional<std::uint64_t>(file->size);
    if (file.error().code() == ErrorCode::kNotFound) return std::optional<std::uint64_t>();
    return Fail(std::move(file).error().While("check for pack " + pack.Hex()));
  }

  Repository& repository_;
  std::stop_token stop_;
  std::unordered_set<Id, IdHash> seen_;
  std::unordered_map<Id, std::uint64_t, IdHash> packs_;  // bytes of its blobs and header entries
  std::unordered_map<Id, std::string, IdHash> bad_;      // with the reason
};

}  // namespace

Result<void> CheckPacksOf(Repository& repository, std::span<const NamedTree> trees,
                          std::stop_token stop) {
  PresenceCheck check(repository, std::move(stop));
  return check.Check(trees);
}

}  // namespace holdfast::repository
