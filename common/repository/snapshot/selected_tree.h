// The part of a snapshot that is extracted, in the order in which it is written.
#pragma once

#include <map>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"
#include "common/repository/format/tree_codec.h"
#include "common/repository/snapshot/repository_view.h"
#include "common/repository/store/blob_store.h"
#include "common/repository/tree/path_filter.h"
#include "common/stream/snapshot_view.h"

namespace holdfast::repository {

class SelectedTree {
 public:
  // `node` may be moved from. `path` is the path in the snapshot, `target` the path below the
  // target directory.
  struct Found {
    TreeNode node;
    const std::string& path;
    const std::string& target;
    bool is_passed = false;   // a directory that is only on the path to selected entries
    bool is_outside = false;  // it is above the requested paths
  };
  class Visitor {
   public:
    virtual ~Visitor() = default;
    // Called before the directory's entries. nullopt skips them; other results go to Enter().
    virtual Result<std::optional<bool>> Directory(Found found) = 0;
    // The following calls, up to the next Enter(), are for entries of the directory for which
    // Directory() returned `mark`; the top has false.
    virtual void Enter(bool mark) = 0;
    virtual Result<void> Other(Found found) = 0;
    // A directory that cannot be read. The error names it.
    virtual void Lost(const Error& error) = 0;
  };

  // Checks that all requested paths exist. `blobs` and `view` must outlive the object.
  static Result<SelectedTree> Open(BlobStore& blobs, RepositoryView& view,
                                   const ExtractOptions& options);

  // Visits directories before their entries, without what `options.special` leaves out. Can be
  // repeated. Stops at the visitor's first error.
  Result<void> Visit(Visitor& visitor, const std::stop_token& stop);

  const PathFilter& filter() const { return filter_; }
  // The snapshot's directory that corresponds to the target directory, and its tree if all of it
  // was requested.
  const std::string& top() const { return strip_; }
  const std::optional<Id>& top_tree() const { return top_tree_; }

 private:
  struct Pending {
    std::string path;
    Id tree;
    bool is_announced = false;
    bool mark = false;
  };
  SelectedTree(BlobStore& blobs, RepositoryView& view) : blobs_(blobs), view_(view) {}
  Result<void> Select(const std::vector<std::string>& paths);
  std::string Target(std::string_view path) const;
  Result<void> VisitPath(Visitor& visitor, const std::string& path, const std::stop_token& stop);
  // Removes what `options.special` leaves out. Returns whether the node is visited at all.
  bool Filter(const std::string& path, Attributes& attributes) const;
  // Announces `path` and its parents, unless done already; nullopt as for Visitor::Directory().
  Result<std::optional<bool>> Announce(Visitor& visitor, const std::string& path);
  Result<void> VisitDirectory(Visitor& visitor, Pending directory, const std::stop_token& stop);
  Result<void> VisitNode(Visitor& visitor, const TreeNode& node, Pending& directory,
                         bool& is_left_out);

  BlobStore& blobs_;
  RepositoryView& view_;
  std::string strip_;
  std::optional<Id> top_tree_;
  std::vector<std::string> paths_;  // ascending; none is below another
  PathFilter filter_;
  SpecialRights special_;
  LeftOutList* left_out_ = nullptr;
  std::string asked_;  // the one that is being visited
  // Of one visit: directories that were announced, and what the visitor returned.
  std::map<std::string, std::optional<bool>> announced_;
  std::vector<Pending> pending_;
};

}  // namespace holdfast::repository
