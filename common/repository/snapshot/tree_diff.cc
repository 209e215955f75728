#include "common/repository/snapshot/tree_diff.h"

#include <algorithm>
#include <optional>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "common/base/format.h"
#include "common/repository/format/tree_codec.h"
#include "common/repository/snapshot/tree_walk.h"
#include "common/repository/tree/tree_blobs.h"

namespace holdfast::repository {
namespace {

constexpr std::uint8_t kFirst = 1;
constexpr std::uint8_t kSecond = 2;

bool IsDirectory(const TreeNode& node) { return node.attributes.type == NodeType::kDirectory; }
bool IsFile(const TreeNode& node) { return node.attributes.type == NodeType::kFile; }

class TreeDiff {
 public:
  TreeDiff(BlobStore& blobs, bool with_attributes,
           const std::function<Result<void>(const TreeChange&)>& visit, std::stop_token stop)
      : blobs_(blobs), with_attributes_(with_attributes), visit_(visit), stop_(std::move(stop)) {}

  Result<DiffReport> Run(const Id& first, const Id& second) {
    trees_[first] |= kFirst;
    trees_[second] |= kSecond;
    if (first != second) {
      HF_TRY(Enter(first, second, ""));
      while (!levels_.empty()) HF_TRY(Step());
    }
    HF_TRY(CountBlobs());
    return report_;
  }

 private:
  // A directory that both trees have, or only one of them.
  struct Level {
    std::optional<Directory> first;
    std::optional<Directory> second;
    std::size_t next_first;
    std::size_t next_second;
    std::string path;  // ends in "/", or is empty
  };

  // Drops the blobs of what is the same on both sides.
  class Common final : public TreeVisitor {
   public:
    explicit Common(TreeDiff& diff) : diff_(diff) {}
    Result<bool> Visit(const std::string&, const TreeNode& node) override {
      for (const Id& id : node.content) diff_.data_.erase(id);
      if (!node.subtree) return false;
      diff_.trees_.erase(*node.subtree);
      return seen_.insert(*node.subtree).second;
    }

   private:
    TreeDiff& diff_;
    std::unordered_set<Id, IdHash> seen_;
  };

  Result<std::optional<Directory>> Load(const std::optional<Id>& tree, const std::string& path) {
    if (!tree) return std::nullopt;
    Result<Directory> directory = LoadDirectory(blobs_, *tree);
    if (directory) return std::optional<Directory>(*std::move(directory));
    return Fail(std::move(directory).error().While(
        fmt::format("read directory {}", Quote(path.empty() ? "/" : path))));
  }

  Result<void> Enter(const std::optional<Id>& first, const std::optional<Id>& second,
                     std::string path) {
    HF_ASSIGN(std::optional<Directory> one, Load(first, path));
    HF_ASSIGN(std::optional<Directory> two, Load(second, path));
    levels_.push_back({std::move(one), std::move(two), 0, 0, std::move(path)});
    return {};
  }

  // Handles the next name of the innermost directory, or leaves it.
  Result<void> Step() {
    HF_TRY(CheckStop(stop_));
    Level& level = levels_.back();
    const bool has_first = level.first && level.next_first < level.first->size();
    const bool has_second = level.second && level.next_second < level.second->size();
    if (!has_first && !has_second) {
      levels_.pop_back();
      return {};
    }
    const std::string_view name_first = has_first ? level.first->name(level.next_first) : "";
    const std::string_view name_second = has_second ? level.second->name(level.next_second) : "";
    const bool takes_first = has_first && (!has_second || name_first <= name_second);
    const bool takes_second = has_second && (!has_first || name_second <= name_first);
    std::optional<TreeNode> first;
    std::optional<TreeNode> second;
    if (takes_first) {
      HF_ASSIGN(first, level.first->Node(level.next_first++));
      Note(*first, kFirst);
    }
    if (takes_second) {
      HF_ASSIGN(second, level.second->Node(level.next_second++));
      Note(*second, kSecond);
    }
    std::string path = level.path + (first ? first : second)->name;
    if (first && second) return Compare(*first, *second, std::move(path));
    return first ? OnlyIn(*first, report_.removed, "-", std::move(path), true)
                 : OnlyIn(*second, report_.added, "+", std::move(path), false);
  }

  Result<void> OnlyIn(const TreeNode& node, DiffCounts& counts, std::string_view change,
                      std::string path, bool is_first) {
    if (IsDirectory(node)) {
      ++counts.directories;
      path += '/';
    } else {
      ++(IsFile(node) ? counts.files : counts.others);
    }
    HF_TRY(visit_({path, change}));
    if (!IsDirectory(node)) return {};
    return is_first ? Enter(node.subtree, std::nullopt, std::move(path))
                    : Enter(std::nullopt, node.subtree, std::move(path));
  }

  Result<void> Compare(const TreeNode& first, const TreeNode& second, std::string path) {
    const bool is_same_type = first.attributes.type == second.attributes.type;
    if (IsDirectory(second)) path += '/';
    std::string_view change;
    if (!is_same_type) {
      change = "T";
    } else if (IsFile(first) && first.content != second.content) {
      ++report_.changed_files;
      change = first.attributes == second.attributes ? "M?" : "M";
    } else if (with_attributes_ && first.attributes != second.attributes) {
      change = "U";
    }
    if (!change.empty()) HF_TRY(visit_({path, change}));
    if (!is_same_type || !IsDirectory(first)) return {};
    if (*first.subtree != *second.subtree) {
      return Enter(first.subtree, second.subtree, std::move(path));
    }
    same_.insert(*first.subtree);
    return {};
  }

  void Note(const TreeNode& node, std::uint8_t side) {
    for (const Id& id : node.content) data_[id] |= side;
    if (node.subtree) trees_[*node.subtree] |= side;
  }

  Result<void> CountBlobs() {
    const auto is_on_both = [](const auto& entry) { return entry.second == (kFirst | kSecond); };
    std::erase_if(data_, is_on_both);
    std::erase_if(trees_, is_on_both);
    Common common(*this);
    for (const Id& tree : same_) {
      if (data_.empty() && trees_.empty()) break;
      HF_TRY(WalkTree(blobs_, tree, "", common, stop_));
    }
    for (const auto& [id, side] : data_) HF_TRY(Count(BlobType::kData, id, side));
    for (const auto& [id, side] : trees_) HF_TRY(Count(BlobType::kTree, id, side));
    return {};
  }

  Result<void> Count(BlobType type, const Id& id, std::uint8_t side) {
    HF_ASSIGN(const BlobLocation location, blobs_.Locate(type, id));
    DiffCounts& counts = side == kFirst ? report_.removed : report_.added;
    ++(type == BlobType::kData ? counts.data_blobs : counts.tree_blobs);
    counts.bytes += location.plain_length;
    return {};
  }

  BlobStore& blobs_;
  const bool with_attributes_;
  const std::function<Result<void>(const TreeChange&)>& visit_;
  std::stop_token stop_;
  DiffReport report_;
  std::vector<Level> levels_;
  // The sides on which a blob occurs.
  std::unordered_map<Id, std::uint8_t, IdHash> data_;
  std::unordered_map<Id, std::uint8_t, IdHash> trees_;
  std::unordered_set<Id, IdHash> same_;  // equal directories, which were not entered
};

}  // namespace

Result<DiffReport> DiffTrees(BlobStore& blobs, const Id& first, const Id& second,
                             bool with_attributes,
                             const std::function<Result<void>(const TreeChange&)>& visit,
                             std::stop_token stop) {
  return TreeDiff(blobs, with_attributes, visit, std::move(stop)).Run(first, second);
}

}  // namespace holdfast::repository
