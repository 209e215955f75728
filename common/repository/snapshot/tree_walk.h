// Walks everything below a directory of a snapshot.
#pragma once

#include <stop_token>
#include <string>
#include <string_view>

#include "common/base/result.h"
#include "common/repository/format/tree_codec.h"
#include "common/repository/snapshot/snapshot_info.h"
#include "common/repository/store/repository.h"

namespace holdfast::repository {

// The node at a path of a snapshot, as in SnapshotView; "" is the top. kNotFound suggests similar
// names.
Result<TreeNode> FindNode(Repository& repository, const SnapshotInfo& snapshot,
                          std::string_view path);

class TreeVisitor {
 public:
  virtual ~TreeVisitor() = default;
  // Called for a directory before its entries, for siblings by ascending name. For a directory,
  // returns whether to enter it. An error ends the walk.
  virtual Result<bool> Visit(const std::string& path, const TreeNode& node) = 0;
  // Called after all below an entered directory was visited; the top comes last.
  virtual void Leave(const Id& tree) { (void)tree; }

 protected:
  // The JSON of the node that is being visited.
  std::string_view json() const { return json_; }

 private:
  friend Result<void> WalkTree(BlobStore& blobs, const Id& tree, const std::string& top,
                               TreeVisitor& visitor, std::stop_token stop);
  std::string_view json_;
};

// Visits all below `tree`. Paths are "top/name", or only "name" if `top` is empty. Memory: the
// directories on the current path. kCorrupt names what cannot be read. REQUIRES: the index was
// loaded after the tree was found.
Result<void> WalkTree(BlobStore& blobs, const Id& tree, const std::string& top,
                      TreeVisitor& visitor, std::stop_token stop);

}  // namespace holdfast::repository
