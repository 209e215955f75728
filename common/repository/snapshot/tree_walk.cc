#include "common/repository/snapshot/tree_walk.h"

#include <utility>
#include <vector>

#include "common/base/format.h"
#include "common/repository/snapshot/repository_view.h"
#include "common/repository/tree/tree_blobs.h"

namespace holdfast::repository {

Result<TreeNode> FindNode(Repository& repository, const SnapshotInfo& snapshot,
                          std::string_view path) {
  HF_ASSIGN(const auto view, OpenSnapshot(repository, snapshot));
  // OpenSnapshot() makes no other kind of view.
  return static_cast<RepositoryView&>(*view).Need(path);
}

Result<void> WalkTree(BlobStore& blobs, const Id& tree, const std::string& top,
                      TreeVisitor& visitor, std::stop_token stop) {
  struct Level {
    Directory directory;
    std::size_t next;
    std::size_t path_bytes;  // length of the path without this level's names
  };
  std::vector<Level> levels;
  std::string path = top;
  const auto enter = [&](const Id& id) -> Result<void> {
    HF_ASSIGN(Directory directory, LoadDirectory(blobs, id));
    levels.push_back({std::move(directory), 0, path.size()});
    return {};
  };
  const auto named = [&](Result<void> result) -> Result<void> {
    if (result) return result;
    return Fail(std::move(result).error().While(
        fmt::format("read directory {}", Quote(path.empty() ? "/" : path))));
  };
  HF_TRY(named(enter(tree)));
  while (!levels.empty()) {
    HF_TRY(CheckStop(stop));
    Level& level = levels.back();
    path.resize(level.path_bytes);
    if (level.next == level.directory.size()) {
      visitor.Leave(level.directory.id());
      levels.pop_back();
      continue;
    }
    visitor.json_ = level.directory.json(level.next);
    HF_ASSIGN(const TreeNode node, level.directory.Node(level.next++));
    if (!path.empty()) path += '/';
    path += node.name;
    HF_ASSIGN(const bool enters, visitor.Visit(path, node));
    if (enters && node.subtree) HF_TRY(named(enter(*node.subtree)));
  }
  return {};
}

}  // namespace holdfast::repository
