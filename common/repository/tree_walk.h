// The way through all that lies below a directory of a snapshot.
#pragma once

#include <functional>
#include <stop_token>
#include <string>
#include <string_view>

#include "common/base/result.h"
#include "common/repository/repository.h"
#include "common/repository/snapshot_reader.h"
#include "common/repository/tree_codec.h"

namespace holdfast::repository {

// What lies at a path of a snapshot, as SnapshotView has paths; "" is its top, a directory.
// kNotFound names what is near.
Result<TreeNode> FindNode(Repository& repository, const SnapshotInfo& snapshot,
                          std::string_view path);

class TreeVisitor {
 public:
  virtual ~TreeVisitor() = default;
  // A directory comes before what lies in it, siblings by ascending name. Of a directory: whether
  // to enter it. An error ends the walk.
  virtual Result<bool> Visit(const std::string& path, const TreeNode& node) = 0;
  // All below a directory that was entered has been visited; the top comes last.
  virtual void Leave(const Id& tree) { (void)tree; }

 protected:
  // The node that is being visited, as it stands in its directory.
  std::string_view json() const { return json_; }

 private:
  friend Result<void> WalkTree(Repository& repository, const Id& tree, const std::string& top,
                               TreeVisitor& visitor, std::stop_token stop);
  std::string_view json_;
};

// Visits all below `tree`; paths are `top` and what follows, "top/name", or names alone where it is
// empty. Memory: the directories on the way down to where it is. kCorrupt names what cannot be
// read. REQUIRES: the index was loaded after the tree was found.
Result<void> WalkTree(Repository& repository, const Id& tree, const std::string& top,
                      TreeVisitor& visitor, std::stop_token stop);

}  // namespace holdfast::repository
