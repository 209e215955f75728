// What of a snapshot is to be extracted, in the order in which it is written.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"
#include "common/repository/path_filter.h"
#include "common/repository/repository.h"
#include "common/repository/repository_view.h"
#include "common/repository/tree_codec.h"
#include "common/stream/snapshot_view.h"

namespace holdfast::repository {

class SelectedTree {
 public:
  // `node` may be taken to pieces; `path` is the one in the snapshot, `target` the one below the
  // directory that is written to.
  struct Found {
    TreeNode node;
    const std::string& path;
    const std::string& target;
    bool is_passed = false;   // a directory that is only on the way to what is selected
    bool is_outside = false;  // it lies above the paths that were asked for
  };
  class Visitor {
   public:
    virtual ~Visitor() = default;
    // Comes before what lies in it. nullopt: nothing below it is of use; else what Enter() is told.
    virtual Result<std::optional<bool>> Directory(Found found) = 0;
    // What follows, up to the next call, lies in the directory that got this mark; the top has
    // false.
    virtual void Enter(bool mark) = 0;
    virtual Result<void> Other(Found found) = 0;
    // A directory that cannot be read, by an error that names it.
    virtual void Lost(const Error& error) = 0;
  };

  // Checks that all is there. What is given must outlive it.
  static Result<SelectedTree> Open(Repository& repository, RepositoryView& view,
                                   const ExtractOptions& options);

  // Directories before what lies in them; any number of times. An error of the visitor ends it.
  Result<void> Visit(Visitor& visitor, const std::stop_token& stop);

  const PathFilter& filter() const { return filter_; }
  // The path of the directory that becomes the one that is written to, and its tree where all of it
  // was asked for.
  const std::string& top() const { return strip_; }
  const std::optional<Id>& top_tree() const { return top_tree_; }

 private:
  struct Pending {
    std::string path;
    Id tree;
    bool is_announced = false;
    bool mark = false;
  };
  SelectedTree(Repository& repository, RepositoryView& view)
      : repository_(repository), view_(view) {}
  Result<void> Select(const std::vector<std::string>& paths);
  std::string Target(std::string_view path) const;
  Result<void> VisitPath(Visitor& visitor, const std::string& path, const std::stop_token& stop);
  // Announces `path` and what lies above it, unless they were; nullopt as Visitor::Directory().
  Result<std::optional<bool>> Announce(Visitor& visitor, const std::string& path);
  Result<void> VisitDirectory(Visitor& visitor, Pending directory, const std::stop_token& stop);
  Result<void> VisitNode(Visitor& visitor, const TreeNode& node, Pending& directory,
                         bool& is_left_out);

  Repository& repository_;
  RepositoryView& view_;
  std::string strip_;
  std::optional<Id> top_tree_;
  std::vector<std::string> paths_;  // ascending, none below another
  PathFilter filter_;
  std::string asked_;  // the one of them that is being visited
  // Of one visit: what was announced on the way to what is selected, and what the visitor said.
  std::map<std::string, std::optional<bool>> announced_;
  std::vector<Pending> pending_;
};

}  // namespace holdfast::repository
